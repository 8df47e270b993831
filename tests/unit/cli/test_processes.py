"""The headless processes as real ones."""

import json
import os
import subprocess
import sys

import pytest


@pytest.fixture
def warning(tmp_path):
    """The first line of a server that everyone can reach, which it warns about."""

    def run(*arguments, pass_fds=()):
        environ = {name: value for name, value in os.environ.items() if not name.startswith("FLUX_")}
        command = [sys.executable, "-m", "flux.cli.main", "start", "server", "--host", "0.0.0.0", "--port", "0"]
        with subprocess.Popen(
            [*command, *arguments], cwd=tmp_path, env=environ, pass_fds=pass_fds, stderr=subprocess.PIPE, text=True
        ) as process:
            line = process.stderr.readline()
            process.kill()
            process.stderr.read()
        return line

    return run


def test_a_server_logs_json_where_no_terminal_is(warning):
    record = json.loads(warning())
    assert (record["level"], record["logger"]) == ("WARNING", "flux.server")
    assert "without authentication" in record["message"]


def test_the_server_of_flux_dev_logs_for_people(warning):
    reading, writing = os.pipe()
    line = warning("--parent-pipe", str(reading), pass_fds=[reading])
    os.close(reading)
    os.close(writing)
    assert "  WARNING  flux.server  listening on 0.0.0.0" in line
