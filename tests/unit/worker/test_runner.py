"""The runner process itself: what it imports, and how it stands in the system."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("pydantic", "httpx", "textual", "dill", "fastapi", "sqlite3", "jsonschema")


def test_a_blank_runner_imports_nothing_heavy():
    code = f"import sys, flux.worker.runner; print([name for name in {HEAVY!r} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


async def test_descriptors_and_environment_are_the_users(port, start, bundle):
    start()
    code = bundle("""
        import os, signal, subprocess, sys

        @workflow
        async def looks(ctx):
            inherited = subprocess.run(
                ["ls", "/dev/fd"], capture_output=True, text=True, stdin=subprocess.DEVNULL
            ).stdout.split()
            return {
                "argv": sys.argv,
                "stdin": os.read(0, 10).decode(),
                "sigint": signal.getsignal(signal.SIGINT) is signal.SIG_IGN,
                "leader": os.getpid() == os.getpgrp(),
                "inherited": len(inherited) <= 4,
                "tty": sys.stdout.isatty(),
            }
    """)
    assert await port.finished(port.submit(code, "looks")) == {
        "argv": [""],
        "stdin": "",
        "sigint": True,
        "leader": True,
        "inherited": True,
        "tty": False,
    }


async def test_imports_the_bundle_does_not_hold_come_from_the_folder_last(port, start, bundle, tmp_path):
    (tmp_path / "plugin_on_disk.py").write_text("VALUE = 7\n")
    (tmp_path / "json.py").write_text("raise RuntimeError('shadowed')\n")
    start()
    code = bundle("""
        @workflow
        async def late(ctx):
            import importlib, json
            return json.loads(str(importlib.import_module("plugin_on_disk").VALUE))
    """)
    assert await port.finished(port.submit(code, "late")) == 7


async def test_what_one_runner_has_computed_another_one_uses(port, start, bundle):
    code = bundle("""
        import os

        @task.with_options(cache=True)
        def where(city):
            return [city, os.getpid()]

        @workflow
        async def look(ctx):
            return await where(ctx.input)
    """)
    agent = start()
    first = await port.finished(port.submit(code, "look", "Rome"))
    await agent.stop()
    start(name="w2")
    second = await port.finished(port.submit(code, "look", "Rome"))
    assert first == second
    assert port.types("e2").count("TASK_CACHE_HIT") == 1
    assert [inquiry.kind for inquiry in port.asked] == ["cache_read", "cache_write", "cache_read"]


async def test_the_settings_reach_running_code(port, start, bundle):
    start(default_timeout=0.05)
    code = bundle("""
        import asyncio

        @task
        async def slow():
            await asyncio.sleep(60)

        @workflow
        async def patient(ctx):
            await slow()
    """)
    error = await port.finished(port.submit(code, "patient"))
    assert (type(error).__name__, error.timeout) == ("ExecutionTimeoutError", 0.05)


async def test_outputs_lie_in_the_home_of_the_worker(port, start, bundle, tmp_path):
    start(home=str(tmp_path / "home"), key=b"k")
    code = bundle("""
        from flux.output_storage import LocalFileStorage

        @task.with_options(output_storage=LocalFileStorage())
        def make():
            return {1, 2}

        @workflow
        async def sizes(ctx):
            return len(await make())
    """)
    assert await port.finished(port.submit(code, "sizes")) == 2
    (file,) = (tmp_path / "home" / "outputs").iterdir()
    assert file.name.startswith("e1.1.make_")
