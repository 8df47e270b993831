"""The headless processes as real ones."""

import json
import os
import socket
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


@pytest.fixture
def worker(tmp_path):
    """A worker process that is ended with the test; its stderr is read line by line."""
    started = []

    def start(url, token="wrong"):
        environ = {name: value for name, value in os.environ.items() if not name.startswith("FLUX_")}
        if token:
            environ["FLUX_WORKERS__BOOTSTRAP_TOKEN"] = token
        command = [sys.executable, "-m", "flux.cli.main", "start", "worker", "east", "--server-url", url]
        process = subprocess.Popen(command, cwd=tmp_path, env=environ, stderr=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate(timeout=20)


def test_a_worker_without_a_server_names_the_url_and_the_option(worker, unused_tcp_port):
    url = f"http://localhost:{unused_tcp_port}"
    process = worker(url)
    lines = iter(process.stderr.readline, "")
    told = next(line for line in lines if f"east cannot reach a server at {url}: " in line)
    assert "Trying again" in told
    assert "--server-url URL" in next(lines)


def test_a_worker_without_a_token_names_the_url_and_the_option(worker):
    said = worker("http://flux.internal:8000", token="").communicate(timeout=30)[1]
    assert "no bootstrap token for http://flux.internal:8000" in said
    assert "--server-url" in said


def test_a_refused_worker_names_the_url_and_the_option(worker, refusing_server):
    process = worker(refusing_server)
    said = process.communicate(timeout=30)[1]
    assert process.returncode == 1
    assert f"The server at {refusing_server} refuses this worker: The bootstrap token is wrong." in said
    assert "--server-url" in said
    assert "Traceback" not in said


@pytest.fixture
def refusing_server(tmp_path):
    """The URL of a server that knows another token than any worker has."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("FLUX_")}
    environ["FLUX_WORKERS__BOOTSTRAP_TOKEN"] = "right"
    home = tmp_path / "server"
    home.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        command = [sys.executable, "-m", "flux.cli.main", "start", "server", "--fd", str(listening.fileno())]
        process = subprocess.Popen(command, cwd=home, env=environ, pass_fds=[listening.fileno()])
    yield f"http://127.0.0.1:{port}"
    process.kill()
    process.wait(20)
