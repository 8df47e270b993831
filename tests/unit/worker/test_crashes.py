"""What user code does to its runner, and what becomes of the executions in it (SEMANTICS 18)."""

from __future__ import annotations

import asyncio
import os
import sys
import textwrap
from pathlib import Path

import pytest

from flux.domain import ExecutionState
from flux.worker.process import Limits

QUICK = Limits(beat=0.05, blocked=1.0)
NEIGHBOUR = """
    import asyncio

    @workflow
    async def neighbour(ctx):
        print("neighbour begun")
        await asyncio.sleep(0.2)
        return "fine"
"""


def crashing(statement: str) -> str:
    return (
        textwrap.dedent(NEIGHBOUR)
        + f"""
import ctypes, os, sys, time

@task
async def dies():
    print("about to")
    {statement}

@workflow
async def crash(ctx):
    return await dies()
"""
    )


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("os._exit(3)", "exited with code 3"),
        ("ctypes.string_at(0)", "killed by SIGSEGV"),
        ("os.kill(os.getpid(), 9)", "killed by SIGKILL"),
    ],
)
async def test_a_dying_runner_is_reported_with_its_reason(port, start, bundle, statement, reason):
    start()
    execution_id = port.submit(bundle(crashing(statement)), "crash")
    await port.until(lambda: port.deaths)
    (death,) = port.deaths
    assert death.reason.splitlines()[0] == reason
    assert (death.execution_ids, death.alone) == ((execution_id,), True)
    assert port.state(execution_id) is not ExecutionState.FAILED


async def test_a_segfault_says_where(port, start, bundle):
    start()
    port.submit(bundle(crashing("ctypes.string_at(0)")), "crash")
    await port.until(lambda: port.deaths)
    assert "/srv/app/flows.py" in port.deaths[0].reason
    assert "in dies" in port.deaths[0].reason


async def test_the_last_words_before_os_exit_are_kept(port, start, bundle):
    start()
    execution_id = port.submit(bundle(crashing("print('really'); os._exit(3)")), "crash")
    await port.until(lambda: port.deaths)
    await port.until(lambda: "really" in port.texts())
    assert port.texts(execution_id) == ["about to", "really"]


async def test_the_executions_of_a_dead_runner_rerun_alone(port, start, bundle):
    agent = start()
    code = bundle(crashing("time.sleep(0) or os._exit(1)"))
    neighbour = port.submit(code, "neighbour")
    await port.until(lambda: "neighbour begun" in port.texts())
    crash = port.submit(code, "crash")
    await port.until(lambda: port.deaths)
    assert set(port.deaths[0].execution_ids) == {neighbour, crash}
    assert not port.deaths[0].alone
    port.offer(neighbour)
    port.offer(crash)
    assert await port.finished(neighbour) == "fine"
    await port.until(lambda: len(port.deaths) == 2)
    assert port.deaths[1].execution_ids == (crash,)
    assert port.deaths[1].alone
    assert agent.running == ()


async def test_results_that_were_sent_before_a_death_are_kept(port, start, bundle):
    start()
    code = bundle("""
        import os

        @task
        async def first():
            return 1

        @task
        async def second():
            os._exit(1)

        @workflow
        async def both(ctx):
            await first()
            await second()
    """)
    execution_id = port.submit(code, "both")
    await port.until(lambda: port.deaths)
    assert "TASK_COMPLETED" in port.types(execution_id)


@pytest.mark.parametrize("statement", ["sys.exit(2)", "raise KeyboardInterrupt"])
async def test_system_exit_fails_its_execution_only(port, start, bundle, statement):
    start()
    code = bundle(crashing(statement))
    neighbour = port.submit(code, "neighbour")
    await port.until(lambda: "neighbour begun" in port.texts())
    crash = port.submit(code, "crash")
    await port.finished(crash)
    assert port.state(crash) is ExecutionState.FAILED
    assert await port.finished(neighbour) == "fine"
    assert port.deaths == []


async def test_system_exit_in_a_task_of_asyncio_fails_its_execution_only(port, start, bundle):
    start()
    code = bundle(
        textwrap.dedent(NEIGHBOUR)
        + textwrap.dedent("""
        import sys

        async def leaves():
            sys.exit(1)

        @workflow
        async def crash(ctx):
            await asyncio.create_task(leaves())
    """)
    )
    neighbour = port.submit(code, "neighbour")
    await port.until(lambda: "neighbour begun" in port.texts())
    crash = port.submit(code, "crash")
    await port.finished(crash)
    assert port.state(crash) is ExecutionState.FAILED
    assert await port.finished(neighbour) == "fine"


async def test_a_blocked_loop_is_a_death_with_its_stack(port, start, bundle):
    start(limits=QUICK)
    code = bundle("""
        import time

        def spin():
            while True:
                time.sleep(1)

        @workflow
        async def blocks(ctx):
            spin()
    """)
    execution_id = port.submit(code, "blocks")
    await port.until(lambda: port.deaths)
    (death,) = port.deaths
    lines = death.reason.splitlines()
    assert lines[0] == "was blocked for 1 s in its event loop"
    assert lines[1:] == ['  File "/srv/app/flows.py", line 8 in spin', '  File "/srv/app/flows.py", line 12 in blocks']
    assert death.execution_ids == (execution_id,)


async def test_blocking_work_in_threads_is_no_death(port, start, bundle):
    start(limits=QUICK)
    code = bundle("""
        import time

        @task
        def slow():
            time.sleep(1.6)
            return "slept"

        @workflow
        async def patient(ctx):
            return await slow()
    """)
    assert await port.finished(port.submit(code, "patient")) == "slept"
    assert port.deaths == []


async def test_a_crash_on_import_is_reported(port, start, bundle):
    start()
    port.submit(bundle("import os\nos._exit(5)\n"), "x")
    await port.until(lambda: port.deaths)
    assert "the runner exited with code 5 on import" in port.deaths[0].reason


async def test_a_hang_on_import_is_reported_with_its_stack(port, start, bundle):
    start(limits=Limits(loading=1.0))
    port.submit(bundle("import time\nwhile True:\n    time.sleep(1)\n"), "x")
    await port.until(lambda: port.deaths)
    assert "was blocked for 1 s in importing" in port.deaths[0].reason
    assert 'File "/srv/app/flows.py", line 5' in port.deaths[0].reason


async def test_the_next_execution_gets_a_new_runner(port, start, bundle):
    start()
    code = bundle(crashing("os._exit(1)"))
    port.submit(code, "crash")
    await port.until(lambda: port.deaths)
    assert await port.finished(port.submit(code, "neighbour")) == "fine"


ORPHANS = """
import asyncio
from flux.domain import Bundle, Claim, Execution, ExecutionState, Module, WorkflowRef
from flux.worker.process import Limits, RunnerProcess

SOURCE = '''
from flux.engine.workflow import workflow
import os, subprocess, time

@workflow
async def spins(ctx):
    alive = os.open("alive", os.O_WRONLY)
    subprocess.Popen(["sleep", "1000"], pass_fds=(alive,))
    os.write(alive, b"both!")
    while True:
        time.sleep(1)
'''

class Nobody:
    def on_frame(self, runner, frame): ...
    def on_output(self, lines): ...
    def on_exit(self, runner, reason): ...

async def main():
    runner = await RunnerProcess.spawn(Nobody(), ".", Limits())
    code = Bundle("d", "flows", {"flows": Module("/srv/flows.py", SOURCE)})
    assert not (await runner.load(code, "", {})).error
    execution = Execution("e1", WorkflowRef("default", "spins"), ExecutionState.CREATED, generation=1)
    runner.start(Claim(execution, ()))
    await asyncio.sleep(1000)

asyncio.run(main())
"""


async def test_no_orphan_outlives_its_agent(tmp_path: Path):
    """A blocked runner and its child hold the pipe open: its end is theirs."""
    os.mkfifo(tmp_path / "alive")
    agent = await asyncio.create_subprocess_exec(sys.executable, "-c", ORPHANS, cwd=tmp_path)
    try:
        async with asyncio.timeout(30):
            with await asyncio.to_thread(open, tmp_path / "alive", "rb", buffering=0) as pipe:
                assert await asyncio.to_thread(pipe.read, 5) == b"both!"
                agent.kill()
                assert await asyncio.to_thread(pipe.read, 1) == b""
    finally:
        if agent.returncode is None:
            agent.kill()
        await agent.wait()
