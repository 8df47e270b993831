"""A server that is killed while a child runs: its successor ends both, with one child for the call."""

from __future__ import annotations

FLOWS = """
from pathlib import Path
import time
from flux import ExecutionContext, call, task, workflow

@task
def notes(folder: str, line: str) -> str:
    with open(Path(folder, "notes"), "a") as file:
        file.write(line + "\\n")
    return line

@task
def waits(folder: str) -> str:
    Path(folder, "begun").touch()
    while not Path(folder, "go").exists():
        time.sleep(0.02)
    return "went"

@workflow
async def child(ctx: ExecutionContext[str]):
    await notes(ctx.input, "child")
    return await waits(ctx.input)

@workflow
async def parent(ctx: ExecutionContext[str]):
    await notes(ctx.input, "parent")
    return [await call(child, ctx.input), await notes(ctx.input, "after")]
"""


def test_one_child_for_each_call(start_server, patiently, tmp_path):
    server = start_server()
    registered = server.http.post("/workflows", files={"file": ("flows.py", FLOWS.encode())})
    assert registered.status_code < 300, registered.text
    started = server.http.post("/workflows/parent/run/async", json=str(tmp_path)).json()["execution_id"]
    patiently((tmp_path / "begun").exists, "the child to begin")
    server.kill()
    (tmp_path / "go").touch()

    server = start_server()
    path = f"/executions/{started}"
    patiently(lambda: server.http.get(path).json()["state"] == "COMPLETED", "the parent to end")
    parent = server.http.get(path).json()
    assert parent["output"] == ["went", "after"]
    assert [child["state"] for child in parent["children"]] == ["COMPLETED"]
    assert (tmp_path / "notes").read_text().split() == ["parent", "child", "after"]
