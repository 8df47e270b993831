"""`flux execution replay`: the events, and the code running along with them."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import select
import subprocess
import sys
import termios
import time
from datetime import UTC, datetime, timedelta

import pytest
from typer.testing import CliRunner

from flux.cli.main import app
from flux.cli.stepping import PatientLoop, Quit, Steps
from flux.wire.models import EventModel

FLOW = """
from flux import task, workflow
from flux.tasks import pause

@task
async def charge(amount):
    print("a task runs")
    return amount * 2

@workflow
async def order(ctx):
    print("the body begins")
    paid = await charge(ctx.input)
    print("paid", paid)
    return await pause("approval")

if __name__ == "__main__":
    print(order.run(7).execution_id)
"""


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "order.py").write_text(FLOW)
    return tmp_path / "order.py"


@pytest.fixture
def paused(file):
    """A local execution that waits for an answer."""
    script = subprocess.run([sys.executable, "order.py"], check=True, capture_output=True, text=True)
    return script.stdout.split()[-1]


def replay(*arguments):
    return CliRunner().invoke(app, ["execution", "replay", *arguments])


def test_the_code_runs_along_and_gets_what_is_recorded(paused):
    result = replay(paused[:8])
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert [line.split()[2] if line[:4].strip().isdigit() else line.strip() for line in lines] == [
        "WORKFLOW_STARTED",
        "the body begins",
        "TASK_STARTED",
        "paid = await charge(ctx.input)",
        "TASK_COMPLETED",
        "paid 14",
        "TASK_STARTED",
        'return await pause("approval")',
        "TASK_PAUSED",
        "WORKFLOW_PAUSED",
    ]
    assert lines[2].endswith("charge(amount=7)  order.py:13")
    assert lines[4].endswith("charge → 14")
    assert "The code waits at input 'approval' (order.py:15)." in result.stderr


def test_breakpoints_of_the_body_stop(file, paused, monkeypatch):
    changed = file.with_name("with_breakpoint.py")
    changed.write_text(FLOW.replace('print("paid", paid)', "breakpoint()"))
    monkeypatch.setattr(sys, "breakpointhook", lambda: print("stopped at", sys._getframe(1).f_locals["paid"]))
    result = replay(paused, "--code", "with_breakpoint.py")
    assert "stopped at 14" in result.stdout


def test_an_edited_file_is_not_mistaken_for_what_has_run(file, paused):
    file.write_text(FLOW.replace("charge(ctx.input)", "charge(8)"))
    os.utime(file, (2_000_000_000, 2_000_000_000))
    result = replay(paused)
    assert "the body begins" not in result.stdout
    assert "await charge" not in result.stdout
    assert "`--code FILE` runs a file along" in result.stderr
    forced = replay(paused, "--code", "order.py")
    assert forced.exit_code == 0
    assert "its argument `amount` was 7 and is 8" in forced.stderr
    assert len([line for line in forced.stdout.splitlines() if line[:4].strip().isdigit()]) == 6


def test_only_the_events(paused):
    result = replay(paused, "--events")
    assert "the body begins" not in result.stdout
    assert "TASK_COMPLETED" in result.stdout


def test_json_is_not_mixed_with_what_the_code_prints(paused):
    result = replay(paused, "--format", "json")
    data = json.loads(result.stdout)
    assert [event["type"] for event in data["events"]][-1] == "WORKFLOW_PAUSED"
    assert data["verdict"]["outcome"] == "waits"
    assert "paid 14" in result.stderr


def test_an_unknown_execution(paused, monkeypatch):
    monkeypatch.setenv("FLUX_SERVER_PORT", "1")
    result = replay("feedfeed")
    assert result.exit_code == 1
    assert "Execution 'feedfeed' not found." in result.stderr


def test_a_server_that_is_set_for_all_commands_leaves_the_store_at_hand(paused, monkeypatch):
    monkeypatch.setenv("FLUX_WORKERS__SERVER_URL", "http://localhost:1")
    assert "the body begins" in replay(paused).stdout
    assert replay(paused, "--server-url", "http://localhost:2").exit_code == 3


def test_code_that_cannot_be_imported(file, paused):
    file.write_text("1 / 0")
    result = replay(paused, "--code", "order.py")
    assert result.exit_code == 1
    assert "ZeroDivisionError" in result.stderr


def test_from_a_server_the_events_come_with_the_recorded_source(server, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    now = datetime(2026, 1, 2, tzinfo=UTC).isoformat()
    event = {"type": "TASK_STARTED", "source_id": "t", "name": "charge", "time": now, "id": "x", "seq": 1}
    event |= {"value": {"amount": 7}, "location": "/gone/order.py:2"}
    server.answers["GET /executions/e1"] = server.execution(events=[event])
    detail = server.workflow(path="/gone/order.py", source="# the first line\nawait charge(7)\n")
    server.answers["GET /workflows/shop/order"] = detail
    result = server.run("execution", "replay", "e1")
    assert result.stdout.splitlines()[0].endswith("charge(amount=7)  /gone/order.py:2")
    assert result.stdout.splitlines()[1].strip() == "await charge(7)"
    assert "only the events are shown" in result.stderr
    assert server.asked[1][1] == {"version": "2"}


# -- stepping --------------------------------------------------------------------------------------


def event(seq, **more):
    time = datetime.now(UTC) - timedelta(days=1)
    return EventModel(type="TASK_COMPLETED", source_id="t", name=f"n{seq}", time=time, id=str(seq), seq=seq, **more)


def test_a_key_shows_the_next_event_and_none_is_asked_for_behind_the_last(capsys):
    asked = []
    steps = Steps([event(1), event(2), event(3)], key=lambda: asked.append("key") or "\r")
    steps.up_to(2)
    assert (len(capsys.readouterr().out.splitlines()), len(asked)) == (2, 2)
    steps.up_to(2)
    steps.rest()
    assert (len(capsys.readouterr().out.splitlines()), len(asked)) == (1, 2)


@pytest.mark.parametrize("key", ["q", "Q", "\x03", "\x04"])
def test_keys_that_end(key, capsys):
    steps = Steps([event(1), event(2)], key=lambda: key)
    with pytest.raises(Quit):
        steps.rest()
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_who_takes_long_at_a_key_lets_no_timeout_expire():
    async def body():
        async with asyncio.timeout(0.05):
            time.sleep(0.2)  # noqa: ASYNC251  # at a key, or in the debugger
            await asyncio.sleep(0)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await asyncio.sleep(5)
        return "came through"

    with asyncio.Runner(loop_factory=PatientLoop) as runner:
        assert runner.run(body()) == "came through"


def test_values_are_short(capsys):
    failure = {"type": "ValueError", "message": "too much", "traceback": "…"}
    Steps([event(1, value="x" * 500), event(2, value=failure)]).rest()
    first, second = capsys.readouterr().out.splitlines()
    assert (first.endswith("x…"), len(first) < 300) == (True, True)
    assert second.endswith("n2 → ValueError: too much")


def test_on_a_terminal_it_waits_and_q_ends_whatever_the_code_does(file, paused):
    """The body catches everything: the end comes through all the same."""
    stubborn = file.with_name("stubborn.py")
    caught = '    try:\n        paid = await charge(ctx.input)\n    except BaseException:\n        paid = "caught"\n'
    stubborn.write_text(FLOW.replace("    paid = await charge(ctx.input)\n", caught))
    master, slave = pty.openpty()
    command = [
        sys.executable,
        "-c",
        "from flux.cli.main import main; main()",
        "execution",
        "replay",
        paused,
        "--code",
        "stubborn.py",
    ]
    with subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave) as child:
        os.close(slave)
        try:
            assert b"the body begins" not in read_until(master, b"WORKFLOW_STARTED")
            press(master, b"\r")
            seen = read_until(master, b"TASK_STARTED")
            assert b"the body begins" in seen
            assert b"TASK_COMPLETED" not in seen
            press(master, b"q")
            assert child.wait(60) == 0
        finally:
            child.kill()
            os.close(master)


def read_until(fd, wanted):
    seen = b""
    while wanted not in seen:
        ready, _, _ = select.select([fd], [], [], 60)
        assert ready, seen
        seen += os.read(fd, 4096)
    return seen


def press(fd, key):
    """A key, once somebody waits for one: what was typed before is thrown away."""
    deadline = time.monotonic() + 60
    while termios.tcgetattr(fd)[3] & termios.ICANON:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.write(fd, key)
