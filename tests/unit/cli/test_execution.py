import json
from pathlib import Path

NOW = "2026-01-02T03:04:05Z"
EVENT = {"type": "TASK_COMPLETED", "source_id": "t", "name": "charge", "time": NOW, "id": "x", "seq": 3, "value": 7}


def test_list_filters_by_state(server):
    server.answers["GET /executions"] = {"executions": [server.execution(state="PAUSED")], "total": 1}
    result = server.run("execution", "list", "--state", "paused,failed", "--workflow", "order")
    assert result.stdout.splitlines()[1].split()[:3] == ["e1", "shop/order", "PAUSED"]
    assert server.asked[0][1]["state"] == "PAUSED,FAILED"


def test_a_state_that_does_not_exist_is_refused_with_the_known_ones(server):
    result = server.run("execution", "list", "--state", "done")
    assert result.exit_code == 2
    assert "COMPLETED" in result.stderr


def test_a_longer_list_says_how_to_go_on(server):
    server.answers["GET /executions"] = {"executions": [server.execution()], "total": 9, "next_cursor": "c2"}
    assert "--cursor c2" in server.run("execution", "list").stderr


def test_show_prints_input_output_and_open_waits(server):
    server.answers["GET /executions/e1"] = server.execution(state="PAUSED", output={"amount": 3})
    server.answers["GET /executions/e1/pending"] = [server.wait("approval")]
    result = server.run("execution", "show", "e1")
    assert 'output     {"amount": 3}' in result.stdout
    assert "waits for  input approval" in result.stdout
    assert "flux workflow resume shop/order e1 INPUT" in result.stderr


def test_show_tells_where_code_and_history_have_parted(server):
    output = {
        "type": "NonDeterminismError",
        "message": "Replay diverged.",
        "recorded": "charge(amount=8) (event 5)",
        "recorded_at": f"{Path.cwd()}/order.py:21",
        "attempted": "tax(amount=8)",
        "attempted_at": f"{Path.cwd()}/order.py:22",
        "cause": "charge was replaced by it",
    }
    server.answers["GET /executions/e1"] = server.execution(state="PAUSED", output=output)
    server.answers["GET /executions/e1/pending"] = [server.wait("divergence", kind="divergence", output=output)]
    result = server.run("execution", "show", "e1")
    assert "waits for  divergence\n" in result.stdout
    lines = [line.split() for line in result.stderr.splitlines()]
    assert ["recorded", "charge(amount=8)", "(event", "5)", "order.py:21"] in lines
    assert ["now", "tax(amount=8)", "order.py:22"] in lines
    assert ["cause", "charge", "was", "replaced", "by", "it"] in lines
    assert "resume" not in result.stderr


def test_show_at_an_event_prints_how_it_stood(server):
    call = {"id": "t1", "name": "charge", "started_at": NOW, "location": f"{Path.cwd()}/order.py:7"}
    tasks = [
        {**call, "state": "completed", "ended_at": NOW, "arguments": {"amount": 7}, "value": "paid"},
        {**call, "id": "t2", "name": "tax", "parent": "t1", "state": "running", "attempts": 2},
        {**call, "id": "t3", "state": "failed", "ended_at": NOW, "value": {"type": "ValueError", "message": "no"}},
    ]
    waits = [server.wait("approval")]
    server.answers["GET /executions/e1"] = server.execution(
        state="RUNNING", at=3, of=9, event=EVENT, tasks=tasks, waits=waits
    )
    result = server.run("execution", "show", "e1", "--at", "3")
    assert server.asked[0][1] == {"at": "3"}
    lines = result.stdout.splitlines()
    assert any(line.startswith("at         event 3 of 9: TASK_COMPLETED charge, ") for line in lines)
    assert "waits for  input approval" in lines
    assert 'completed  charge(amount=7) → "paid"  order.py:7' in lines
    assert "running      tax() (attempt 2)  order.py:7" in lines
    assert 'failed     charge() → "ValueError: no"  order.py:7' in lines
    assert json.loads(server.run("execution", "show", "e1", "--at", "3", "--format", "json").stdout)["at"] == 3


def test_an_event_that_does_not_exist_is_an_error(server):
    problem = {"code": "invalid_input", "detail": "Invalid.", "status": 422}
    problem["errors"] = [{"loc": ["query", "at"], "msg": "99 is not an event of this execution", "type": "range"}]
    server.answers["GET /executions/e1"] = problem
    result = server.run("execution", "show", "e1", "--at", "99")
    assert result.exit_code != 0
    assert "99 is not an event of this execution" in result.stderr


def test_an_unknown_execution_exits_with_one(server):
    problem = {"code": "execution_not_found", "detail": "Execution 'nope' not found.", "status": 404}
    server.answers["GET /executions/nope"] = problem
    result = server.run("execution", "show", "nope")
    assert result.exit_code == 1
    assert "Execution 'nope' not found." in result.stderr
    assert "flux execution list" in result.stderr


def test_events_are_lines_or_json(server):
    server.answers["GET /executions/e1/events"] = {"events": [EVENT]}
    line = server.run("execution", "events", "e1").stdout
    assert line.split()[0] == "3"
    assert line.split()[2:] == ["TASK_COMPLETED", "charge", "7"]
    assert json.loads(server.run("execution", "events", "e1", "--format", "json").stdout)[0]["seq"] == 3


def test_following_prints_events_as_they_come(server):
    server.answers["GET /executions/e1/events"] = f"id: 3\nevent: task.completed\ndata: {json.dumps(EVENT)}\n\n"
    result = server.run("execution", "events", "e1", "--follow")
    assert result.exit_code == 0
    assert "TASK_COMPLETED" in result.stdout


def test_the_others_are_cancelled_when_one_cannot_be(server):
    server.answers["POST /executions/a/cancel"] = server.execution(execution_id="a", state="CANCELLING")
    server.answers["POST /executions/c/cancel"] = server.execution(execution_id="c", state="CANCELLED")
    server.answers["POST /executions/b/cancel"] = {"code": "execution_finished", "detail": "Done.", "status": 409}
    result = server.run("execution", "cancel", "a", "b", "c")
    assert result.stdout.split() == ["a", "CANCELLING", "c", "CANCELLED"]
    assert result.exit_code == 1
    assert "Error: Done." in result.stderr


def test_who_cancels_a_local_run_is_told_what_ends_it(server):
    server.answers["POST /executions/e1/cancel"] = server.execution(state="CANCELLING", worker="local:vm:7")
    result = server.run("execution", "cancel", "e1")
    assert (result.exit_code, result.stdout) == (0, "e1  CANCELLING\n")
    assert "flux exec FILE shop/order --resume e1" in result.stderr


def test_a_rerun_takes_the_same_input_on_the_newest_version(server):
    server.answers["GET /executions/e1"] = server.execution(state="FAILED")
    server.answers["POST /workflows/shop/order/run/async"] = server.execution(execution_id="e2")
    result = server.run("execution", "rerun", "e1")
    assert result.stdout == "e2\n"
    assert server.asked[-1][1:] == ({}, {"n": 1})
    server.run("execution", "rerun", "e1", "--same-version")
    assert server.asked[-1][1] == {"version": "2"}


def test_an_input_that_json_cannot_carry_is_not_rerun(server):
    value = {"$type": "shop.Order", "preview": "Order(…)"}
    server.answers["GET /executions/e1"] = server.execution(input=value)
    result = server.run("execution", "rerun", "e1")
    assert result.exit_code == 2
    assert "shop.Order" in result.stderr


def test_workers_are_listed_and_shown(server):
    worker = {"name": "w1", "online": True, "slots": 100, "running": 2, "runtime": {"python_version": "3.12"}}
    server.answers["GET /workers"] = [worker]
    server.answers["GET /workers/w1"] = worker
    assert server.run("worker", "list").stdout.splitlines()[1].split() == ["w1", "online", "2/100", "remote", "3.12"]
    assert "2 of 100" in server.run("worker", "show", "w1").stdout


def test_an_input_with_a_secret_cannot_be_run_again(server):
    server.answers["GET /executions/e1"] = server.execution(input="•••")
    result = server.run("execution", "rerun", "e1")
    assert (result.exit_code, len(server.asked)) == (2, 1)
    assert "contains a secret" in result.stderr
