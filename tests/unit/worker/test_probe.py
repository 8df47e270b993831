"""Throwaway imports, with real processes."""

import asyncio
import os
from pathlib import Path

import pytest

from flux.domain import Bundle, Module
from flux.worker.probe import probe, probe_all
from flux.worker.process import Limits

NAMED = "@workflow\nasync def {name}(ctx): ...\n"
PATIENCE = 30.0


@pytest.fixture
def flow(bundle):
    """A bundle with one workflow, after some other code."""

    def make(name, code="", **options) -> Bundle:
        return bundle(code + "\n" + NAMED.format(name=name), name, **options)

    return make


def names(loaded):
    return [spec.name for spec in loaded.manifest.workflows]


def alive(pid) -> bool:
    return Path(f"/proc/{pid}").exists()


async def test_one_process_imports_all(flow, tmp_path):
    note = f"import os\nopen({str(tmp_path / 'pids')!r}, 'a').write(str(os.getpid()) + ' ')"
    loaded = await asyncio.wait_for(probe_all([flow(name, note) for name in "abc"], str(tmp_path)), PATIENCE)
    assert [names(one) for one in loaded] == [["a"], ["b"], ["c"]]
    pids = (tmp_path / "pids").read_text().split()
    assert len(pids) == 3
    assert len(set(pids)) == 1
    assert not alive(pids[0])


async def test_nothing_of_one_bundle_is_seen_by_the_next(flow, tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "outside.py").write_text(f"NAME = {folder!r}")
    code = "import helper, outside, sys\nassert (helper.NAME, outside.NAME) == ({0!r}, {0!r}), sys.path"
    bundles = [
        flow("same", code.format(folder), folder=str(tmp_path / folder), helper=f"NAME = {folder!r}")
        for folder in ("one", "two")
    ]
    loaded = await asyncio.wait_for(probe_all(bundles, str(tmp_path)), PATIENCE)
    assert [one.error for one in loaded] == ["", ""]


async def test_namespace_packages_of_two_folders_do_not_mix(tmp_path):
    def package(folder: str) -> Bundle:
        code = f"from shop.rates import RATE\nassert RATE == {folder!r}\nfrom flux import workflow\n"
        path = str(tmp_path / folder / "shop")
        modules = {
            "shop.order": Module(f"{path}/order.py", code + NAMED.format(name=folder)),
            "shop.rates": Module(f"{path}/rates.py", f"RATE = {folder!r}"),
        }
        return Bundle(folder, "shop.order", modules)

    loaded = await asyncio.wait_for(probe_all([package("one"), package("two")]), PATIENCE)
    assert [one.error for one in loaded] == ["", ""]
    assert [names(one) for one in loaded] == [["one"], ["two"]]


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize(
    ("code", "words"), [("1 / 0", "ZeroDivisionError"), ("import os; os._exit(3)", "code 3"), ("exit()", "SystemExit")]
)
async def test_a_broken_file_hurts_no_other(flow, place, code, words):
    bundles = [flow(name, code if index == place else "") for index, name in enumerate("abc")]
    loaded = await asyncio.wait_for(probe_all(bundles), PATIENCE)
    assert words in loaded[place].error
    assert [names(one) for index, one in enumerate(loaded) if index != place] == [
        [name] for index, name in enumerate("abc") if index != place
    ]


async def test_a_file_that_hangs_is_given_up_alone(flow):
    told: list[str] = []
    bundles = [flow("a"), flow("b", "while True: pass"), flow("c")]
    loaded = await asyncio.wait_for(
        probe_all(
            bundles, limits=Limits(loading=4), patience=1.5, on_loaded=lambda bundle, loaded: told.append(bundle.entry)
        ),
        PATIENCE,
    )
    assert told[-1] == "b"
    assert names(loaded[2]) == ["c"]
    assert "was blocked for 4 s in importing" in loaded[1].error
    assert "b.py" in loaded[1].traceback


async def test_cancelling_leaves_no_process_behind(flow, tmp_path):
    os.mkfifo(tmp_path / "pid")
    code = f"import os\nopen({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\nwhile True: pass"
    probing = asyncio.create_task(probe_all([flow("a"), flow("b", code)]))
    pid = await asyncio.wait_for(asyncio.to_thread((tmp_path / "pid").read_text), PATIENCE)
    probing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(probing, PATIENCE)
    assert not alive(pid)


def test_a_loop_that_ends_takes_its_probe_along(flow, tmp_path):
    os.mkfifo(tmp_path / "pid")
    code = f"import os\nopen({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\nwhile True: pass"

    async def main() -> str:
        probing = asyncio.create_task(probe_all([flow("b", code)]))
        pid = await asyncio.wait_for(asyncio.to_thread((tmp_path / "pid").read_text), PATIENCE)
        assert not probing.done()
        return pid

    assert not alive(asyncio.run(main()))


async def test_nothing_to_probe_starts_nothing():
    assert await probe_all([]) == []


async def test_a_single_probe_tells_the_place(flow):
    loaded = await asyncio.wait_for(probe(flow("a", "x = 1\ny = nothing")), PATIENCE)
    assert (loaded.error, loaded.path, loaded.line) == ("NameError: name 'nothing' is not defined", "/srv/app/a.py", 4)
