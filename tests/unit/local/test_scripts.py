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


TYPES = """
import dataclasses, enum, sys
from datetime import date
from typing import NamedTuple
from pydantic import BaseModel
from flux import ExecutionContext, task, workflow
from flux.tasks import pause

class Colour(enum.Enum):
    RED = 1

class Point(NamedTuple):
    x: int

@dataclasses.dataclass
class Line:
    due: date
    colour: Colour = Colour.RED

class Order(BaseModel):
    lines: list[Line]

class Refused(Exception):
    pass

class Plain:
    def __init__(self, inner):
        self.inner = inner

def helper(n):
    return n + 1

@task
async def make():
    return [Order(lines=[Line(date(2026, 1, 2))]), Point(1), Refused("no"), Plain([Line(date(2026, 1, 2))]), helper]

@workflow
async def flow(ctx: ExecutionContext[Order]):
    made = await make()
    await pause("look", output=made, schema=list[Order])
    order, point, refused, plain, function = made
    kinds = [type(ctx.input), type(order), type(order.lines[0]), type(point), type(refused), type(plain)]
    assert kinds == [Order, Order, Line, Point, Refused, Plain], kinds
    assert type(plain.inner[0]) is Line and order.lines[0].colour is Colour.RED
    assert function is helper
    return plain

def main():
    if len(sys.argv) == 1:
        print(flow.run(Order(lines=[])).execution_id)
    else:
        ctx = flow.resume(sys.argv[1], [{"lines": []}])
        assert type(ctx.output) is Plain, ctx.output
        print(ctx.state)
"""


def test_types_of_a_script_are_found_again_when_it_is_imported_and_the_other_way_round(tmp_path):
    (tmp_path / "shop.py").write_text(TYPES + '\nif __name__ == "__main__":\n    main()\n')
    (tmp_path / "other.py").write_text("import shop\nshop.main()\n")
    ways = ("shop.py",), ("other.py",), ("-m", "shop")
    for begun in ways:
        for resumed in ways:
            execution_id = python(tmp_path, *begun).strip()
            assert python(tmp_path, *resumed, execution_id) == "COMPLETED\n"


def test_types_of_a_module_in_a_package(tmp_path):
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "__init__.py").touch()
    (tmp_path / "pack" / "shop.py").write_text(TYPES + '\nif __name__ == "__main__":\n    main()\n')
    execution_id = python(tmp_path, "-m", "pack.shop").strip()
    assert python(tmp_path, "-c", "import pack.shop; pack.shop.main()", execution_id) == "COMPLETED\n"
