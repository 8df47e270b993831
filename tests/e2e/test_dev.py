"""The main job, end to end: edit, run, answer, break, fix, kill, and nothing is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ORDER = """
import os
from pydantic import BaseModel, Field
from flux import ExecutionContext, task, workflow
from flux.tasks import pause, sleep
from helpers import VERSION

class Approval(BaseModel):
    approved: bool
    amount: int = Field(gt=0, description="whole units")

@task
async def note(text: str) -> str:
    fd = os.open("ledger.txt", os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    os.write(fd, (text + "\\n").encode())
    os.fsync(fd)
    os.close(fd)
    print("noted", text)
    return text

@workflow
async def order(ctx: ExecutionContext[int]):
    await note(f"{ctx.execution_id} before")
    answer = await pause("approval", output={"order": ctx.input}, schema=Approval)
    await note(f"{ctx.execution_id} after")
    return {"version": VERSION, "amount": answer.amount}

@workflow
async def steps(ctx: ExecutionContext[int]):
    for index in range(ctx.input):
        await note(f"{ctx.execution_id} {index}")
        await sleep(0.05)
    return ctx.input

@workflow
async def hangs(ctx):
    try:
        await sleep(3600)
    finally:
        await note(f"{ctx.execution_id} cleanup")
"""
FILES = {"order.py": ORDER, "helpers.py": "VERSION = 1\n"}


@pytest.fixture
def dev(start_dev):
    session = start_dev(FILES)
    session.wait_line(r"✓ order\.py")
    return session


def test_a_form_is_answered_wrong_then_right(dev):
    paused = dev.run("order", 7)
    assert paused["state"] == "PAUSED"
    assert paused["output"] == {"name": "approval", "output": {"order": 7}} or paused["output"] == {"order": 7}
    (wait,) = dev.http.get(f"/executions/{paused['execution_id']}/pending").json()
    assert wait["input_schema"]["properties"]["amount"]["description"] == "whole units"

    url = f"/executions/{paused['execution_id']}/resume"
    refused = dev.http.post(url, json={"approved": True, "amount": 0})
    assert refused.status_code == 422
    assert refused.headers["content-type"].startswith("application/problem+json")
    assert [error["loc"] for error in refused.json()["errors"]] == [["amount"]]
    assert dev.execution(paused["execution_id"])["state"] == "PAUSED"

    assert dev.http.post(url, json={"approved": True, "amount": 5}).status_code in (200, 202)
    done = dev.wait_state(paused["execution_id"], "COMPLETED", "FAILED")
    assert done["output"] == {"version": 1, "amount": 5}
    again = dev.http.post(url, json={"approved": True, "amount": 5})
    assert again.status_code == 409


def test_a_waiting_execution_finishes_on_its_own_version(dev):
    old = dev.run("order", 1)
    (dev.folder / "helpers.py").write_text("VERSION = 2\n")
    dev.wait_line(r"✓ order\.py.* v2")
    new = dev.run("order", 2)
    for execution in (old, new):
        url = f"/executions/{execution['execution_id']}/resume?mode=sync"
        dev.http.post(url, json={"approved": True, "amount": 1})
    assert dev.wait_state(old["execution_id"], "COMPLETED", "FAILED")["output"]["version"] == 1
    assert dev.wait_state(new["execution_id"], "COMPLETED", "FAILED")["output"]["version"] == 2


def test_a_broken_save_keeps_the_last_good_version(dev):
    (dev.folder / "order.py").write_text(ORDER.replace("@workflow", "@workflow(", 1))
    dev.wait_line(r"✗ order\.py:\d+ .*SyntaxError")
    assert dev.run("steps", 1)["state"] == "COMPLETED"
    (broken,) = [one for one in dev.http.get("/reloads").json() if one["status"] == "broken"]
    assert broken["line"] > 0
    (dev.folder / "order.py").write_text(ORDER.replace("import os", "import os\nraise RuntimeError('on import')", 1))
    dev.wait_line(r"✗ order\.py:\d+ .*RuntimeError")
    assert dev.run("steps", 1)["state"] == "COMPLETED"
    (dev.folder / "order.py").write_text(ORDER + "\n")
    dev.wait_line(r"✓ order\.py", count=2)
    assert not [one for one in dev.http.get("/reloads").json() if one["status"] == "broken"]


def test_ten_executions_survive_a_killed_server(dev):
    ids = [dev.run("steps", 30, mode="async")["execution_id"] for _ in range(10)]
    for execution_id in ids:
        dev.wait_state(execution_id, "RUNNING", "COMPLETED")
    killed = dev.server_pid
    os.kill(killed, signal.SIGKILL)
    dev.wait_line(r"running \(pid \d+\)", count=2)
    for execution_id in ids:
        assert dev.wait_state(execution_id, "COMPLETED", "FAILED")["output"] == 30
    ledger = Counter((dev.folder / "ledger.txt").read_text().split("\n")[:-1])
    finished_twice = []
    for execution_id in ids:
        events = dev.http.get(f"/executions/{execution_id}/events").json()["events"]
        assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
        outcomes = Counter(event["source_id"] for event in events if event["type"] == "TASK_COMPLETED")
        finished_twice += [source for source, times in outcomes.items() if times > 1]
        again = [line for line, times in ledger.items() if line.startswith(execution_id) and times > 1]
        # Only what was in flight at the kill may have run again: one task of each execution at most.
        assert len(again) <= 1
    assert finished_twice == []


def test_cancelling_a_sleeper_runs_its_cleanup(dev):
    started = dev.run("hangs", None, mode="async")["execution_id"]
    dev.wait_state(started, "RUNNING")
    assert dev.http.post(f"/executions/{started}/cancel?mode=sync").status_code == 200
    assert dev.wait_state(started, "CANCELLED")
    assert f"{started} cleanup" in (dev.folder / "ledger.txt").read_text()
    assert dev.http.post(f"/executions/{started}/cancel").status_code in (200, 202)
    finished = dev.run("steps", 0)["execution_id"]
    assert dev.http.post(f"/executions/{finished}/cancel").status_code == 409


def test_a_stream_tells_tasks_and_ends_at_a_pause(dev):
    with dev.http.stream("POST", "/workflows/order/run/stream", json=3) as response:
        names = [line[6:].strip() for line in response.iter_lines() if line.startswith("event:")]
    assert "task.started" in names
    assert "task.completed" in names
    assert names[-1] == "workflow.execution.paused"


def test_output_of_user_code_is_kept_per_execution_and_task(dev):
    execution_id = dev.run("steps", 2)["execution_id"]
    lines = dev.http.get(f"/logs?execution_id={execution_id}").json()["lines"]
    assert [(line["text"], line["task"]) for line in lines] == [
        (f"noted {execution_id} 0", "note"),
        (f"noted {execution_id} 1", "note"),
    ]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", "/workflows/nope/run/sync", "1", 404, "workflow_not_found"),
        ("POST", "/workflows/steps/run/sync", '{"a": ', 400, "malformed_body"),
        ("POST", "/workflows/steps/run/sync", '"many"', 422, "invalid_input"),
        ("POST", "/workflows/steps/run/sideways", "1", 422, None),
        ("GET", "/executions/nope", None, 404, "execution_not_found"),
        ("POST", "/executions/nope/resume", "1", 404, "execution_not_found"),
        ("POST", "/executions/nope/cancel", None, 404, "execution_not_found"),
    ],
)
def test_wrong_requests_get_a_problem_that_says_what_to_do(dev, method, path, body, status, code):
    response = dev.http.request(method, path, content=body, headers={"content-type": "application/json"})
    assert response.status_code == status, response.text
    problem = response.json()
    assert response.headers["content-type"].startswith("application/problem+json")
    assert problem["detail"]
    if code:
        assert problem["code"] == code


def test_a_busy_port_fails_before_anything_starts(dev, tmp_path_factory):
    command = [sys.executable, "-m", "flux.cli.main", "dev", "--plain", "--port", str(dev.port)]
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    outcome = subprocess.run(command, cwd=elsewhere, capture_output=True, text=True, timeout=30, check=False)
    assert outcome.returncode != 0
    assert str(dev.port) in outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_the_session_leaves_no_process_behind(start_dev):
    dev = start_dev(FILES)
    dev.wait_line(r"✓ order\.py")
    dev.run("steps", 1)
    server = dev.server_pid
    dev.stop()
    assert dev.process.returncode in (0, 130, 143, -signal.SIGTERM)
    assert not Path(f"/proc/{server}").exists()


def test_poison_leaves_the_neighbours_alone(start_dev):
    dev = start_dev(
        {
            "poison.py": """
import os, time
from flux import task, workflow

@task
def leave():
    os._exit(1)

@task
async def block():
    time.sleep(30)

@task
def shout():
    for _ in range(1000):
        print("x" * 100_000)

@workflow
async def exits(ctx):
    await leave()

@workflow
async def blocks(ctx):
    await block()

@workflow
async def prints(ctx):
    await shout()
    return "printed"

@workflow
async def fine(ctx):
    return "fine"
"""
        }
    )
    dev.wait_line(r"✓ poison\.py")
    exits = dev.run("exits", None, mode="async")["execution_id"]
    prints = dev.run("prints", None, mode="async")["execution_id"]
    blocks = dev.run("blocks", None, mode="async")["execution_id"]
    for _ in range(5):
        assert dev.http.get("/health").status_code == 200
        assert dev.run("fine")["output"] == "fine"
    failed = dev.wait_state(exits, "FAILED")
    assert "exit" in str(failed["output"]).lower()
    assert dev.wait_state(prints, "COMPLETED", "FAILED")["output"] == "printed"
    dev.wait_state(blocks, "FAILED", "COMPLETED", "RUNNING", "SCHEDULED", "CLAIMED")
    assert dev.run("fine")["output"] == "fine"


def test_answers_given_at_once_are_never_lost(dev):
    ids = {dev.run("order", number, mode="async")["execution_id"] for number in range(40)}
    unanswered = set(ids)
    while unanswered:
        for wait in dev.http.get("/waits").json():
            if wait["execution_id"] in unanswered:
                body = {"approved": True, "amount": 1}
                assert dev.http.post(f"/executions/{wait['execution_id']}/resume", json=body).status_code in (200, 202)
                unanswered.discard(wait["execution_id"])
    for execution_id in ids:
        assert dev.wait_state(execution_id, "COMPLETED", "FAILED")["output"] == {"version": 1, "amount": 1}
