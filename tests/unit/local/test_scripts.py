"""Places where user code comes from: a script without a guard, a prompt, an `exec`."""

from __future__ import annotations

import os
import subprocess
import sys

SCRIPT = """
from flux import ExecutionContext, task, workflow

print("module runs")

@task
async def say_hello(name: str) -> str:
    return f"Hello, {name}"

@workflow
async def hello_world(ctx: ExecutionContext[str]):
    return await say_hello(ctx.input)

ctx = hello_world.run("World")
print(ctx.output, ctx.state)
"""


def python(folder, *arguments: str, stdin: str = "") -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FLUX_")}
    outcome = subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        cwd=folder,
        input=stdin,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stderr
    return outcome.stdout


def test_a_script_without_a_guard_runs_once(tmp_path):
    (tmp_path / "hello.py").write_text(SCRIPT)
    assert python(tmp_path, "hello.py") == "module runs\nHello, World COMPLETED\n"
    assert (tmp_path / ".flux" / "flux.db").exists()


def test_code_typed_at_a_prompt(tmp_path):
    blocks = SCRIPT.replace("\n@workflow", "\n\n@workflow").replace("\nctx =", "\n\nctx =")
    assert "Hello, World COMPLETED" in python(tmp_path, "-i", "-q", stdin=blocks)


def test_code_given_to_exec(tmp_path):
    (tmp_path / "runner.py").write_text(f"exec(compile({SCRIPT!r}, '<cell 1>', 'exec'), {{'__name__': 'cell'}})")
    assert "Hello, World COMPLETED" in python(tmp_path, "runner.py")


def test_an_edited_script_goes_on_with_its_own_paused_execution(tmp_path):
    script = tmp_path / "flow.py"
    text = """
import sys
from flux import task, workflow
from flux.tasks import pause

@task
async def step(x): return x

@workflow
async def flow(ctx):
    first = await step(1)
    answer = await pause("go")
    return [first, answer, "old"]

if len(sys.argv) == 1:
    print(flow.run().execution_id)
else:
    ctx = flow.resume(sys.argv[1], "yes")
    print(ctx.output, [str(e.type) for e in ctx.events].count("WORKFLOW_MOVED"))
"""
    script.write_text(text)
    execution_id = python(tmp_path, "flow.py").strip()
    script.write_text(text.replace('"old"', 'await step(2), "new"'))
    assert python(tmp_path, "flow.py", execution_id) == "[1, 'yes', 2, 'new'] 1\n"
