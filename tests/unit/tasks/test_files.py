"""Outputs as files."""

from __future__ import annotations

import stat
from datetime import UTC, datetime

import pytest

from flux import task, workflow
from flux.errors import CodecError, OutputNotFoundError
from flux.output_storage import LocalFileStorage, OutputStorageReference


class Thing:
    def __init__(self, size):
        self.size = size


@pytest.fixture
def storage(tmp_path, monkeypatch):
    monkeypatch.setenv("FLUX_HOME", str(tmp_path / "home"))
    return LocalFileStorage()


def folder(tmp_path):
    return tmp_path / "home" / "outputs"


def test_json_lies_there_as_json(storage, tmp_path):
    reference = storage.store("sum_1", {"at": datetime(2026, 1, 2, tzinfo=UTC), "n": [1, 2]})
    (file,) = folder(tmp_path).iterdir()
    assert file.name == "sum_1.json" and b'"n":[1,2]' in file.read_bytes()
    assert storage.retrieve(reference) == {"at": datetime(2026, 1, 2, tzinfo=UTC), "n": [1, 2]}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_other_objects_are_signed(storage, tmp_path):
    reference = storage.store("thing_1", Thing(3))
    assert storage.retrieve(reference).size == 3
    (file,) = folder(tmp_path).iterdir()
    assert file.suffix == ".pkl"
    file.write_bytes(b"x" * 32 + file.read_bytes()[32:])
    with pytest.raises(CodecError, match="signed with another key"):
        storage.retrieve(reference)


def test_a_name_never_leaves_the_folder(storage, tmp_path):
    reference = storage.store("../../etc/passwd", 1)
    assert storage.retrieve(reference) == 1
    assert len(list(folder(tmp_path).iterdir())) == 1
    forged = OutputStorageReference("local_file", "x", {"path": "/etc/passwd", "encoding": "json"})
    with pytest.raises(OutputNotFoundError, match=str(folder(tmp_path))):
        storage.retrieve(forged)


def test_a_file_is_deleted_once_and_missed_by_its_path(storage, tmp_path):
    reference = storage.store("a", 1)
    storage.delete(reference)
    storage.delete(reference)
    with pytest.raises(OutputNotFoundError, match=r"outputs/a\.json") as caught:
        storage.retrieve(reference)
    assert "machine" in caught.value.hint


def test_a_folder_that_was_moved_is_found_again(tmp_path):
    reference = LocalFileStorage(tmp_path / "one").store("a", [1])
    (tmp_path / "one").rename(tmp_path / "two")
    assert LocalFileStorage(tmp_path / "two").retrieve(reference) == [1]


def test_a_run_keeps_its_output_in_the_home(storage, tmp_path):
    @task.with_options(output_storage=storage)
    def make(n):
        return list(range(n))

    @workflow.with_options(output_storage=storage)
    async def large(ctx):
        return len(await make(ctx.input))

    ctx = large.run(5)
    assert storage.retrieve(ctx.output) == 5
    assert large.run(execution_id=ctx.execution_id).output == ctx.output
    assert sorted(file.name.rsplit(".", 2)[1][:4] for file in folder(tmp_path).iterdir()) == ["make", "outp"]
    assert OutputStorageReference.from_dict(ctx.output.to_dict()) == ctx.output
