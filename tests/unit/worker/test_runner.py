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
