import os
import pty
import subprocess
import sys

import pytest

SCRIPT = """
import logging, os, subprocess, sys
logging.basicConfig(level=logging.INFO, format="%(message)s")
from flux.dev.terminal import TerminalTakeover
print("before", flush=True)
try:
    with TerminalTakeover() as terminal:
        os.write(1, b"raw-1\\n"); os.write(2, b"raw-2\\n")
        print("printed", flush=True)
        logging.info("logged")
        subprocess.run([sys.executable, "-c", "print('child')"])
        sys.__stdout__.write("painted-out\\n"); sys.__stderr__.write("painted-err\\n")
        lines = terminal.read()
        assert terminal.read() == []
        os.write(1, b"x" * 5_000_0)
        if "crash" in sys.argv:
            raise RuntimeError("crash")
except RuntimeError as error:
    print(error)
print("after", sorted(lines))
sys.stderr.write("err-after\\n")
"""


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments], capture_output=True, text=True, timeout=30, check=True
    )


def test_stray_output_becomes_lines_and_the_screen_stays_private():
    result = run()
    assert result.stdout.splitlines() == [
        "before",
        "painted-out",
        "after ['child', 'logged', 'printed', 'raw-1', 'raw-2']",
    ]
    assert result.stderr.splitlines() == ["painted-err", "err-after"]


def test_everything_is_put_back_after_a_crash():
    result = run("crash")
    assert result.stdout.splitlines()[2:] == ["crash", "after ['child', 'logged', 'printed', 'raw-1', 'raw-2']"]
    assert result.stderr.splitlines()[-1] == "err-after"


@pytest.mark.parametrize("elsewhere", ["stdout", "stderr"])
def test_the_screen_is_painted_on_the_terminal_although_one_stream_leads_to_a_file(elsewhere):
    master, slave = pty.openpty()
    streams = {"stdout": slave, "stderr": slave, elsewhere: subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", SCRIPT], text=True, **streams) as process:
        file = getattr(process, elsewhere).read()
    os.close(slave)
    painted = os.read(master, 65536).decode()
    os.close(master)
    assert process.returncode == 0
    assert "painted-out" in painted
    assert "painted-err" in painted
    assert "painted" not in file
    assert ("before" in file) is (elsewhere == "stdout")
