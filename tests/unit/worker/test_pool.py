"""Who runs what, who is started, who leaves."""

from __future__ import annotations

import asyncio

from flux.dispatch.port import Prewarm
from flux.worker.probe import probe
from flux.worker.process import Limits

HOLDING = """
    import asyncio, os

    @workflow
    async def hold(ctx):
        print(f"pid {os.getpid()}")
        await asyncio.Event().wait()

    @workflow
    async def pid(ctx):
        return os.getpid()
"""


def pids(port) -> list[str]:
    return [text for text in port.texts() if text.startswith("pid ")]


async def test_busy_versions_grow_up_to_their_size(port, start, bundle):
    agent = start(runner_processes=2)
    code = bundle(HOLDING)
    for count in range(1, 4):
        port.submit(code, "hold")
        await port.until(lambda count=count: len(pids(port)) == count)
    await asyncio.wait_for(agent.pool.settled(), 30)
    for count in range(4, 7):
        port.submit(code, "hold")
        await port.until(lambda count=count: len(pids(port)) == count)
    assert len(set(pids(port))) == 2
    assert sorted(len(runner.executions) for runner in agent.pool.runners if runner.digest) == [3, 3]


async def test_versions_do_not_share_runners(port, start, bundle):
    start()
    one, other = bundle(HOLDING), bundle(HOLDING + "\n    EDITED = True\n")
    first = await port.finished(port.submit(one, "pid"))
    second = await port.finished(port.submit(other, "pid"))
    assert first != second
    assert await port.finished(port.submit(one, "pid")) == first


async def test_idle_runners_of_old_versions_leave(port, start, bundle):
    agent = start(limits=Limits(idle=0.1))
    old, new = bundle(HOLDING), bundle(HOLDING + "\n    EDITED = True\n")
    await port.finished(port.submit(old, "pid"))
    (runner,) = [one for one in agent.pool.runners if one.digest == old.digest]
    port.bundles[new.digest] = new
    port.deliver(Prewarm(new.digest))
    assert await asyncio.wait_for(asyncio.shield(runner.ended), 30) == "exited with code 0"


async def test_busy_runners_of_old_versions_stay(port, start, bundle):
    agent = start(limits=Limits(idle=0.05))
    old, new = bundle(HOLDING), bundle(HOLDING + "\n    EDITED = True\n")
    port.submit(old, "hold")
    await port.until(lambda: pids(port))
    port.bundles[new.digest] = new
    port.deliver(Prewarm(new.digest))
    await port.finished(port.submit(new, "pid"))
    assert [one.alive for one in agent.pool.runners if one.digest == old.digest] == [True]


async def test_a_blank_runner_waits_for_the_next_version(port, start, bundle):
    agent = start()
    await port.until(lambda: port.registrations)
    await asyncio.wait_for(agent.pool.settled(), 30)
    (spare,) = agent.pool.runners
    assert spare.digest == ""
    code = bundle(HOLDING)
    assert await port.finished(port.submit(code, "pid")) == spare.pid


async def test_an_idle_runner_that_dies_is_replaced(port, start, bundle):
    agent = start()
    code = bundle(HOLDING)
    first = await port.finished(port.submit(code, "pid"))
    (runner,) = [one for one in agent.pool.runners if one.digest == code.digest]
    runner.kill()
    await asyncio.wait_for(asyncio.shield(runner.ended), 30)
    assert await port.finished(port.submit(code, "pid")) != first
    assert port.deaths == []


async def test_a_throwaway_probe(bundle, tmp_path):
    found = await probe(bundle(HOLDING), str(tmp_path))
    assert [(spec.name, spec.line) for spec in found.manifest.workflows] == [("hold", 7), ("pid", 12)]


async def test_a_throwaway_probe_of_broken_code(bundle):
    found = await probe(bundle("def broken(:\n    pass\n"))
    assert found.error == "SyntaxError: invalid syntax"
    assert (found.path, found.line) == ("/srv/app/flows.py", 3)


async def test_a_runner_whose_threads_are_stuck_is_replaced(port, start, bundle):
    agent = start(limits=Limits(beat=0.1, grace=0.5))
    code = bundle("""
        import os, time
        from flux.engine import threads
        threads.STUCK_AFTER = 0.2

        @task.with_options(timeout=0.1)
        def ignores_its_timeout():
            time.sleep(1000)

        @workflow
        async def stuck(ctx):
            try:
                await ignores_its_timeout()
            except Exception as error:
                return os.getpid()

        @workflow
        async def pid(ctx):
            return os.getpid()
    """)
    first = await port.finished(port.submit(code, "stuck"))
    (runner,) = [one for one in agent.pool.runners if one.pid == first]
    await asyncio.wait_for(asyncio.shield(runner.ended), 30)
    assert await port.finished(port.submit(code, "pid")) != first
    assert port.deaths == []
