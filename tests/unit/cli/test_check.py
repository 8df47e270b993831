"""`flux workflow check`: with a server, and without one."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from flux.cli.main import app

FLOW = """
from dataclasses import dataclass
from flux import ExecutionContext, task, workflow
from flux.tasks import pause

@dataclass
class Order:
    amount: int

@task
async def charge(amount):
    raise SystemExit("a task must not run")

@workflow
async def order(ctx: ExecutionContext[Order]):
    print("the body")
    await pause("approval")
    await charge(ctx.input.amount)

if __name__ == "__main__":
    print(order.run(Order(7)).execution_id)
"""

DIVERGED = {
    "execution_id": "e2",
    "version": 1,
    "state": "PAUSED",
    "outcome": "diverges",
    "divergence": {
        "recorded": "charge(amount=8) (event 5)",
        "recorded_at": "/srv/order.py:21",
        "attempted": "tax(amount=8)",
        "attempted_at": "/srv/order.py:22",
        "cause": "charge was replaced by it",
    },
}
WAITING = {
    "execution_id": "e1",
    "version": 2,
    "state": "PAUSED",
    "outcome": "waits",
    "detail": "waits at input 'approval'",
    "location": "/srv/order.py:9",
}


def report(*executions, **more):
    diverging = sum(one["outcome"] == "diverges" for one in executions)
    return {"namespace": "shop", "workflow": "order", "diverging": diverging, "executions": executions, **more}


def test_a_published_version_is_checked_by_the_server(server):
    server.answers["POST /workflows/shop/order/check"] = report(WAITING)
    result = server.run("workflow", "check", "shop/order")
    assert result.exit_code == 0
    header, row = result.stdout.splitlines()
    assert header.split() == ["EXECUTION", "WORKFLOW", "VERSION", "STATE", "VERDICT", "REASON"]
    assert row.split()[:5] == ["e1", "shop/order", "2", "PAUSED", "waits"]
    assert row.endswith("waits at input 'approval' (/srv/order.py:9)")
    assert "None of 1 would diverge (replayed by the server)." in result.stderr
    assert server.asked[0][1:] == ({"limit": "100"}, None)


def test_a_divergence_shows_both_lines_and_exits_with_one(server):
    server.answers["POST /workflows/shop/order/check"] = report(WAITING, DIVERGED)
    result = server.run("workflow", "check", "shop/order", "--all")
    assert result.exit_code == 1
    assert result.stdout.splitlines()[2].endswith(
        "recorded: charge(amount=8) (event 5) (/srv/order.py:21); now: tax(amount=8) (/srv/order.py:22); "
        "cause: charge was replaced by it"
    )
    assert "1 of 2 would diverge" in result.stderr
    assert server.asked[0][1]["finished"] == "true"


def test_json_has_all_of_it(server):
    server.answers["POST /workflows/shop/order/check"] = report(WAITING, DIVERGED)
    result = server.run("workflow", "check", "shop/order", "--format", "json")
    assert result.exit_code == 1
    data = json.loads(result.stdout)
    assert (data["checked_by"], data["diverging"]) == ("the server", 1)
    assert data["workflows"][0]["executions"][1]["divergence"] == DIVERGED["divergence"]


def test_what_cannot_be_decided_is_no_divergence(server):
    undecided = WAITING | {"outcome": "undecided", "detail": "no worker has answered in time"}
    server.answers["POST /workflows/shop/order/check"] = report(undecided)
    result = server.run("workflow", "check", "shop/order")
    assert (result.exit_code, "1 could not be decided" in result.stderr) == (0, True)


def test_pages_are_asked_for_up_to_the_limit(server):
    server.answers["POST /workflows/shop/order/check"] = report(WAITING, next_cursor="9")
    result = server.run("workflow", "check", "shop/order", "--limit", "3")
    assert [asked[1] for asked in server.asked] == [
        {"limit": "3"},
        {"limit": "2", "cursor": "9"},
        {"limit": "1", "cursor": "9"},
    ]
    assert len(result.stdout.splitlines()) == 4
    assert "raise --limit" in result.stderr


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "order.py").write_text(FLOW)
    return tmp_path / "order.py"


def test_a_file_is_sent_as_it_is_on_disk(server, file):
    server.answers["POST /workflows/default/order/check"] = report(WAITING)
    assert server.run("workflow", "check", "order.py").exit_code == 0
    (_, _, body) = server.asked[0]
    assert body["modules"]["order"]["source"] == FLOW


def test_a_server_without_executions_is_not_the_last_word(server, file):
    server.answers["POST /workflows/default/order/check"] = report()
    result = server.run("workflow", "check", "order.py")
    assert (result.exit_code, "`--local`" in result.stderr) == (0, True)


def test_a_file_that_cannot_be_imported_is_an_error(server, file):
    file.write_text("1 / 0")
    result = server.run("workflow", "check", "order.py")
    assert result.exit_code == 1
    assert "order.py:1: ZeroDivisionError" in result.stderr
    assert server.asked == []


def test_without_a_server_the_local_store_is_checked_here(file):
    script = subprocess.run([sys.executable, "order.py"], check=True, capture_output=True, text=True)
    paused = script.stdout.split()[-1]
    runner = CliRunner()
    kept = runner.invoke(app, ["workflow", "check", "order.py", "--local"])
    assert kept.exit_code == 0, kept.stderr
    assert kept.stdout.splitlines()[1].split()[:5] == [paused, "default/order", "PAUSED", "waits", "waits"]
    file.write_text(FLOW.replace('"approval"', '"agreement"'))
    changed = runner.invoke(app, ["workflow", "check", "order.py"], env={"FLUX_SERVER_PORT": "1"})
    assert changed.exit_code == 1
    assert "The local store is checked instead." in changed.stderr
    assert "its argument `name` was 'approval' and is 'agreement'" in changed.stdout
    assert "1 of 1 would diverge (replayed by this process)." in changed.stderr
    assert "the body" not in changed.stdout


def test_a_server_that_was_asked_for_by_name_must_answer(file):
    result = CliRunner().invoke(app, ["workflow", "check", "order.py", "--server-url", "http://localhost:1"])
    assert result.exit_code == 3


def test_nothing_is_made_where_there_is_no_store(file, tmp_path):
    result = CliRunner().invoke(app, ["workflow", "check", "order.py", "--local"])
    assert (result.exit_code, result.stdout) == (0, "")
    assert "No executions to check." in result.stderr
    assert not (tmp_path / ".flux").exists()
