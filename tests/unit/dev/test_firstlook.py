import asyncio

import pytest

from flux.catalog.files import collect_file
from flux.dev.firstlook import FirstLook

TIMEOUT = 20
FLOW = "from flux import workflow\n\n@workflow\nasync def {name}(ctx):\n    return 1\n"


@pytest.fixture
async def look(tmp_path):
    made = FirstLook(str(tmp_path))
    yield made
    await made.close()


async def found(look, path):
    loaded = await asyncio.wait_for(look.found(collect_file(path)), TIMEOUT)
    return loaded and ([spec.name for spec in loaded.manifest.workflows], loaded.error)


async def test_each_file_is_looked_at_once(look, tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.py").write_text(FLOW.format(name=name))
    look.start([tmp_path / "a.py", tmp_path / "b.py"])
    assert await found(look, tmp_path / "b.py") == (["b"], "")
    assert await found(look, tmp_path / "a.py") == (["a"], "")
    assert await found(look, tmp_path / "a.py") is None


async def test_an_edit_meanwhile_is_not_taken_for_what_was_found(look, tmp_path):
    (tmp_path / "a.py").write_text(FLOW.format(name="before"))
    look.start([tmp_path / "a.py"])
    (tmp_path / "a.py").write_text(FLOW.format(name="after"))
    assert await found(look, tmp_path / "a.py") is None
    (tmp_path / "a.py").write_text(FLOW.format(name="before"))
    assert await found(look, tmp_path / "a.py") == (["before"], "")


async def test_what_cannot_be_read_is_left_out(look, tmp_path):
    (tmp_path / "a.py").write_text(FLOW.format(name="a"))
    (tmp_path / "broken.py").write_text("def (")
    look.start([tmp_path / "gone.py", tmp_path / "broken.py", tmp_path / "a.py"])
    assert await found(look, tmp_path / "a.py") == (["a"], "")


async def test_closing_answers_who_waits(look, tmp_path):
    (tmp_path / "a.py").write_text("while True: pass\n" + FLOW.format(name="a"))
    look.start([tmp_path / "a.py"])
    asking = asyncio.create_task(found(look, tmp_path / "a.py"))
    await asyncio.sleep(0)
    await look.close()
    assert await asyncio.wait_for(asking, TIMEOUT) is None
