import json

import pytest
from typer.testing import CliRunner

from flux.cli.main import app

FLOW = """
from flux import ExecutionContext, task, workflow
from flux.tasks import pause

@task
async def greet(name):
    print("printed by the task")
    return f"Hello, {name}"

@workflow
async def hello(ctx: ExecutionContext[str]):
    return await greet(ctx.input)

@workflow
async def fails(ctx):
    raise ValueError("no way")

@workflow
async def asks(ctx):
    return await pause("approval")
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "exec_flows.py").write_text(FLOW)
    return lambda *arguments: CliRunner().invoke(app, ["exec", "exec_flows.py", *arguments])


def test_the_outcome_is_json_on_stdout(run):
    result = run("hello", "World", "--format", "json")
    assert result.exit_code == 0, result.stderr
    data = json.loads(result.stdout)
    assert (data["state"], data["output"]) == ("COMPLETED", "Hello, World")
    assert data["events"]
    assert "printed by the task" in result.stderr


def test_a_failure_exits_with_one(run):
    result = run("fails")
    assert result.exit_code == 1
    assert "no way" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_pause_prints_how_to_answer_and_can_be_answered(run):
    result = run("asks")
    assert result.exit_code == 0
    execution_id = json.loads(result.stdout)["execution_id"]
    assert f"--resume {execution_id}" in result.stderr
    result = run("asks", '{"yes": 1}', "--resume", execution_id)
    assert json.loads(result.stdout)["output"] == {"yes": 1}


def test_an_unknown_workflow_is_an_error(run):
    result = run("nope")
    assert result.exit_code == 1
    assert "default/hello" in result.stderr


def test_edited_code_that_leaves_its_history_is_told_with_both_lines(run, tmp_path):
    flow = FLOW.replace('return await pause("approval")', 'return await greet(await pause("approval"))')
    flow = flow.replace("async def asks(ctx):", "async def asks(ctx):\n    await greet('Ada')")
    file = tmp_path / "exec_flows.py"
    file.write_text(flow)
    execution_id = json.loads(run("asks").stdout.split("\n", 1)[1])["execution_id"]
    file.write_text(flow.replace("'Ada'", "'Grace'"))
    result = run("asks", "yes", "--resume", execution_id)
    assert result.exit_code == 1
    assert [" ".join(line.split()) for line in result.stderr.splitlines()][1:4] == [
        "recorded greet(name='Ada') (event 2) exec_flows.py:20",
        "now greet(name='Grace') exec_flows.py:20",
        "cause its argument `name` was 'Ada' and is 'Grace'",
    ]
