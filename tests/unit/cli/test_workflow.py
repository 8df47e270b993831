import json

import pytest

SSE = "event: {}\ndata: {}\n\n"


def stream(*messages):
    return "".join(SSE.format(event, json.dumps(data)) for event, data in messages)


def test_list_shows_name_and_version(server):
    server.answers["GET /workflows"] = [server.workflow()]
    result = server.run("workflow", "list")
    assert result.exit_code == 0
    header, row = result.stdout.splitlines()
    assert header.split() == ["WORKFLOW", "VERSION", "DIGEST", "AGE", "FILE"]
    assert row.split()[:2] == ["shop/order", "2"]
    data = json.loads(server.run("workflow", "list", "--format", "json").stdout)
    assert (data[0]["name"], data[0]["version"]) == ("order", 2)


def test_an_empty_list_says_what_to_do_and_stays_json_for_programs(server):
    server.answers["GET /workflows"] = []
    result = server.run("workflow", "list")
    assert (result.stdout, result.exit_code) == ("", 0)
    assert "flux workflow register" in result.stderr
    assert json.loads(server.run("workflow", "list", "--format", "json").stdout) == []


def test_an_asynchronous_run_prints_the_id_alone_and_how_to_follow_it(server):
    server.answers["POST /workflows/shop/order/run/async"] = server.execution()
    result = server.run("workflow", "run", "shop/order", '{"n": 1}')
    assert (result.exit_code, result.stdout) == (0, "e1\n")
    assert "flux execution events e1 --follow" in result.stderr
    assert server.asked[0][2] == {"n": 1}


def test_a_synchronous_run_prints_the_outcome(server):
    server.answers["POST /workflows/shop/order/run/sync"] = server.execution(state="COMPLETED", output="done")
    result = server.run("workflow", "run", "shop/order", "7", "--mode", "sync", "--version", "2")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["output"] == "done"
    assert server.asked[0][1:] == ({"version": "2"}, 7)


def test_a_failed_run_exits_with_one_and_says_why(server):
    output = {"type": "ValueError", "message": "too much"}
    server.answers["POST /workflows/shop/order/run/sync"] = server.execution(state="FAILED", output=output)
    result = server.run("workflow", "run", "shop/order", "--mode", "sync")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["state"] == "FAILED"
    assert "ValueError: too much" in result.stderr


def test_a_paused_run_exits_with_zero_and_says_how_to_answer(server):
    schema = {"type": "object", "properties": {"approved": {"type": "boolean"}}}
    server.answers["POST /workflows/shop/order/run/sync"] = server.execution(state="PAUSED")
    server.answers["GET /executions/e1/pending"] = [server.wait("approval", input_schema=schema)]
    result = server.run("workflow", "run", "shop/order", "--mode", "sync")
    assert result.exit_code == 0
    assert "waits for 'approval'" in result.stderr
    assert "flux workflow resume shop/order e1 '{\"approved\": …}'" in result.stderr


def test_several_open_waits_are_named_one_by_one(server):
    server.answers["POST /workflows/shop/order/run/sync"] = server.execution(state="PAUSED")
    server.answers["GET /executions/e1/pending"] = [server.wait("a"), server.wait("b")]
    said = server.run("workflow", "run", "shop/order", "--mode", "sync").stderr
    assert "INPUT --wait a" in said
    assert "INPUT --wait b" in said


def test_a_stream_prints_events_and_ends_with_the_state(server):
    server.answers["POST /workflows/shop/order/run/stream"] = stream(
        ("workflow.execution.running", {"execution_id": "e1", "state": "RUNNING"}),
        ("task.started", {"name": "charge"}),
        ("workflow.execution.failed", {"execution_id": "e1", "state": "FAILED", "output": "no"}),
    )
    result = server.run("workflow", "run", "shop/order", "--mode", "stream")
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "workflow.execution.running  state=RUNNING",
        "task.started  name=charge",
        "workflow.execution.failed  state=FAILED  output=no",
    ]
    lines = server.run("workflow", "run", "shop/order", "--mode", "stream", "--format", "json").stdout.splitlines()
    assert json.loads(lines[1]) == {"event": "task.started", "data": {"name": "charge"}}


def test_resume_answers_the_named_wait(server):
    server.answers["GET /executions/e1"] = server.execution(state="PAUSED")
    server.answers["POST /executions/e1/resume"] = server.execution(state="RESUMING")
    result = server.run("workflow", "resume", "shop/order", "e1", '{"ok": true}', "--wait", "approval")
    assert (result.exit_code, result.stdout) == (0, "e1\n")
    assert server.asked[-1] == ("POST /executions/e1/resume", {"wait": "approval", "mode": "async"}, {"ok": True})


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_who_answers_a_local_run_is_told_what_goes_on_with_it(server, mode):
    server.answers["GET /executions/e1"] = server.execution(state="PAUSED", worker="local:vm:7")
    server.answers["POST /executions/e1/resume"] = server.execution(state="RESUMING", worker="local:vm:7")
    result = server.run("workflow", "resume", "shop/order", "e1", "1", "--mode", mode)
    assert result.exit_code == 0
    assert "flux exec FILE shop/order --resume e1" in result.stderr
    assert "--follow" not in result.stderr


def test_resume_can_show_what_happens(server):
    server.answers["GET /executions/e1"] = server.execution(state="PAUSED")
    server.answers["POST /workflows/shop/order/resume/e1/stream"] = stream(
        ("workflow.execution.completed", {"execution_id": "e1", "state": "COMPLETED", "output": 3}),
    )
    result = server.run("workflow", "resume", "shop/order", "e1", "--mode", "stream")
    assert (result.exit_code, result.stdout) == (0, "workflow.execution.completed  state=COMPLETED  output=3\n")


def test_an_execution_of_another_workflow_is_refused(server):
    server.answers["GET /executions/e1"] = server.execution()
    result = server.run("workflow", "cancel", "order", "e1")
    assert result.exit_code == 1
    assert "belongs to shop/order, not to default/order" in result.stderr
    assert len(server.asked) == 1


def test_status_is_json_with_more_when_detailed(server):
    server.answers["GET /executions/e1"] = server.execution(state="RUNNING", events=[])
    brief = json.loads(server.run("workflow", "status", "shop/order", "e1").stdout)
    assert brief["state"] == "RUNNING"
    assert "events" not in brief
    assert json.loads(server.run("workflow", "status", "shop/order", "e1", "--detailed").stdout)["events"] == []


def test_problems_of_the_server_are_told_with_their_hint(server):
    problem = {"code": "workflow_not_found", "detail": "Workflow 'nope' not found.", "hint": "Look.", "status": 404}
    server.answers["POST /workflows/nope/run/async"] = problem
    result = server.run("workflow", "run", "nope")
    assert result.exit_code == 1
    assert result.stderr.splitlines() == ["Error: Workflow 'nope' not found.", "Look."]
    assert result.stdout == ""


def test_delete_asks_first(server):
    server.answers["DELETE /workflows/shop/order"] = None
    assert server.run("workflow", "delete", "shop/order", stdin="n\n").exit_code == 1
    assert server.asked == []
    assert server.run("workflow", "delete", "shop/order", "--yes").exit_code == 0
    assert server.asked[0][0] == "DELETE /workflows/shop/order"


def test_show_prints_what_is_known(server):
    server.answers["GET /workflows/shop/order"] = server.workflow(tasks=["charge", "ship"], path="/s/o.py", line=7)
    result = server.run("workflow", "show", "shop/order")
    assert "tasks       charge, ship" in result.stdout
    assert "file        /s/o.py:7" in result.stdout


def test_broken_json_never_reaches_the_server(server):
    result = server.run("workflow", "run", "shop/order", "{bad")
    assert result.exit_code == 2
    assert "line 1 column 2" in result.stderr
    assert server.asked == []


def test_what_names_no_workflow_is_said_without_asking_the_server(server):
    result = server.run("workflow", "show", "shop/order/7")
    assert (result.exit_code, server.asked) == (2, [])
    assert "'shop/order/7' is not a workflow reference." in result.stderr
