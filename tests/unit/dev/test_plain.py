import asyncio
from datetime import UTC, datetime

import pytest

from flux.dev.plain import first_of, follow, is_plain, report_lines, server_line, status_line
from flux.dev.supervisor import ChildStatus
from flux.errors import ServerUnavailableError
from flux.wire.models import LiveEvent, ReloadModel, WorkerModel


def live(id, name):
    return LiveEvent(id=id, kind="worker", worker=WorkerModel(name=name, online=True))


class Api:
    """Streams that end or break, one for each connection."""

    def __init__(self, *streams):
        self.streams = list(streams)
        self.asked = []
        self.done = asyncio.Event()

    async def live(self, last_event_id=None):
        self.asked.append(last_event_id)
        if not self.streams:
            self.done.set()
            await asyncio.Event().wait()
        for event in self.streams.pop(0):
            yield event
        raise ServerUnavailableError("gone")


async def test_lines_go_on_after_the_last_event_when_the_server_comes_back():
    api = Api([live(3, "a"), live(5, "b")], [live(7, "c")])
    lines = []
    task = asyncio.create_task(follow(api, lines.append))
    async with asyncio.timeout(20):
        await api.done.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert api.asked == [None, 5, 7]
    assert [line.split()[2] for line in lines] == ["a", "b", "c"]


async def test_results_of_checks_are_left_to_the_watcher():
    report = ReloadModel(path="a.py", status="ok", time=datetime.now(UTC), changes=["default/a v1"])
    api = Api([LiveEvent(id=1, kind="reload", reload=report)])
    lines = []
    task = asyncio.create_task(follow(api, lines.append))
    async with asyncio.timeout(20):
        await api.done.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert lines == []
    assert "default/a v1" in report_lines(report)[0]


def test_lines_of_the_server_are_marked():
    assert server_line("hello").split()[1:] == ["server", "hello"]


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (ChildStatus("starting", pid=7), "starting (pid 7)"),
        (ChildStatus("running", pid=7), "running (pid 7)"),
        (ChildStatus("restarting", reason="killed by SIGKILL"), "killed by SIGKILL; starting it again"),
        (ChildStatus("restarting", pid=8), "starting again (pid 8)"),
        (ChildStatus("stopped", reason="it refused to start"), "stopped: it refused to start"),
        (ChildStatus("stopped", reason="stopped"), "stopped"),
    ],
)
def test_the_state_of_the_server_in_a_sentence(status, words):
    assert status_line(status).endswith(f"server        {words}")


@pytest.mark.parametrize("environ", [{}, {"TERM": "dumb"}, {"TERM": "xterm", "CI": "true"}])
def test_lines_without_a_capable_terminal(environ):
    assert is_plain(environ)


async def test_the_first_event_ends_the_waiting():
    one, two = asyncio.Event(), asyncio.Event()
    two.set()
    await first_of(one, two)
