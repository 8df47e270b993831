import asyncio
import contextlib
import re
from pathlib import Path

import pytest

from flux.client.errors import from_problem
from flux.clock import SystemClock
from flux.dev.discovery import Scope
from flux.dev.watcher import Watcher
from flux.errors import RunnerNotAvailableError, ServerUnavailableError
from flux.wire.models import WorkflowDetail, WorkflowSummary

TIMEOUT = 20
FLOW = "from flux import task, workflow\n\n@workflow\nasync def {name}(ctx):\n    return {value}\n"


class Server:
    """What the watcher needs of the API: publishes what parses, counts versions, keeps reports."""

    def __init__(self):
        self.versions = {}
        self.reports = []
        self.published = []
        self.foreseen = []
        self.down = False
        self.workerless = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self._news = asyncio.Event()

    async def publish(self, publication):
        await self.gate.wait()
        if self.down:
            raise ServerUnavailableError("down")
        if self.workerless:
            self.workerless -= 1
            raise RunnerNotAvailableError("no worker yet")
        self.foreseen.append(sorted(spec.name for spec in publication.workflows))
        self.published.append(publication.entry)
        source = publication.modules[publication.entry].source
        if "raise" in source:
            body = {"code": "workflow_invalid", "detail": "NameError: x", "traceback": "T", "line": 2}
            raise from_problem(400, {**body, "path": publication.modules[publication.entry].path})
        whole = "".join(module.source for module in publication.modules.values())
        return [self._version(name, source, whole) for name in re.findall(r"@workflow\nasync def (\w+)", source)]

    def _version(self, name, source, whole):
        known = self.versions.setdefault(name, [])
        if not known or known[-1][1] != whole:
            known.append((re.findall(r"@task\nasync def (\w+)", source), whole))
        return WorkflowSummary(namespace="default", name=name, version=len(known))

    async def get_workflow(self, ref, version=None):
        name = ref.removeprefix("default/")
        tasks, _ = self.versions[name][version - 1]
        return WorkflowDetail(namespace="default", name=name, version=version, tasks=tasks)

    async def report_reload(self, report):
        if self.down:
            raise ServerUnavailableError("down")
        self.reports.append(report)
        self._news.set()

    def last(self, path):
        return next((report for report in reversed(self.reports) if report.path == path), None)

    async def until(self, condition):
        async with asyncio.timeout(TIMEOUT):
            while not condition():
                self._news.clear()
                await self._news.wait()

    async def reported(self, path, status, words=""):
        def there():
            report = self.last(path)
            return report is not None and report.status == status and words in f"{report.changes} {report.error}"

        await self.until(there)
        return self.last(path)


@pytest.fixture
def server():
    return Server()


@pytest.fixture
def up():
    """Whether the server is there; it is, unless a test clears it."""
    event = asyncio.Event()
    event.set()
    return event


@pytest.fixture
async def watch(server, tmp_path, up):
    """Starts a watcher of the folder; returns when everything there has been checked."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(*paths):
            scope = Scope.of([tmp_path / path for path in paths or ["."]])
            watcher = Watcher(server, scope, base=tmp_path.resolve(), clock=SystemClock())
            task = asyncio.create_task(watcher.run(up))

            async def stop():
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

            stack.push_async_callback(stop)
            async with asyncio.timeout(TIMEOUT):
                if up.is_set():
                    await watcher.checked.wait()
            return watcher

        yield start


def flow(name="hello", value=1, extra=""):
    return FLOW.format(name=name, value=value) + extra


async def test_only_files_with_workflows_are_published_at_the_start(server, watch, tmp_path):
    (tmp_path / "a.py").write_text(flow("a"))
    (tmp_path / "b.py").write_text(flow("b"))
    (tmp_path / "plain.py").write_text("x = 1")
    watcher = await watch()
    assert sorted(server.published) == ["a", "b"]
    assert [path.name for path in watcher.files] == ["a.py", "b.py"]
    assert server.last("a.py").changes == ["default/a v1"]
    assert server.last("a.py").serving == "default/a v1"


async def test_the_server_is_told_what_was_found_while_it_started(server, watch, tmp_path, up):
    up.clear()
    (tmp_path / "a.py").write_text(flow("one") + flow("two"))
    (tmp_path / "b.py").write_text("1 / 0\n" + flow("b"))
    watcher = await watch()
    await asyncio.sleep(0)
    assert server.published == server.reports == []
    up.set()
    async with asyncio.timeout(TIMEOUT):
        await watcher.checked.wait()
    assert server.foreseen == [["one", "two"]]
    assert (server.last("b.py").error, server.last("b.py").line) == ("ZeroDivisionError: division by zero", 1)
    assert "1 / 0" in server.last("b.py").traceback


async def test_a_save_is_imported_by_a_worker(server, watch, tmp_path):
    (tmp_path / "a.py").write_text(flow())
    await watch()
    (tmp_path / "a.py").write_text(flow(value=2))
    await server.reported("a.py", "ok", "v2")
    assert server.foreseen == [["hello"], []]


async def test_a_save_is_published_with_what_changed(server, watch, tmp_path):
    file = tmp_path / "a.py"
    file.write_text(flow())
    await watch()
    file.write_text(flow(extra="\n@task\nasync def more():\n    pass\n"))
    report = await server.reported("a.py", "ok", "v2")
    assert report.changes[0].startswith("default/hello v2: ")
    assert report.took_ms > 0
    assert [one.status for one in server.reports if one.path == "a.py"] == ["checking", "ok", "checking", "ok"]


async def test_a_syntax_error_is_reported_with_its_line_until_it_is_fixed(server, watch, tmp_path):
    file = tmp_path / "a.py"
    file.write_text(flow())
    await watch()
    file.write_text(flow() + "print(\n")
    report = await server.reported("a.py", "broken")
    assert report.error == "SyntaxError: '(' was never closed"
    assert report.line == 6
    assert "print(" in report.traceback
    assert report.serving == "default/hello v1"
    file.write_text(flow())
    report = await server.reported("a.py", "ok")
    assert report.changes == []
    assert len(server.versions["hello"]) == 1


async def test_an_import_that_fails_is_reported_with_the_place_the_worker_found(server, watch, tmp_path):
    (tmp_path / "a.py").write_text(flow("a"))
    (tmp_path / "b.py").write_text(flow("b"))
    await watch()
    (tmp_path / "a.py").write_text("raise\n" + flow("a"))
    report = await server.reported("a.py", "broken")
    assert (report.status, report.error, report.line, report.traceback) == ("broken", "NameError: x", 2, "T")
    assert server.last("b.py").status == "ok"


async def test_a_file_broken_from_the_start_is_not_passed_over(server, watch, tmp_path):
    (tmp_path / "a.py").write_text("from flux import workflow\n@workflow\nasync def f(ctx:\n")
    await watch()
    assert server.last("a.py").status == "broken"
    (tmp_path / "a.py").write_text(flow("f"))
    await server.reported("a.py", "ok", "default/f v1")


async def test_a_save_of_an_imported_module_reloads_who_imports_it(server, watch, tmp_path):
    (tmp_path / "helper.py").write_text("VALUE = 1")
    (tmp_path / "a.py").write_text("import helper\n" + flow("a"))
    (tmp_path / "b.py").write_text(flow("b"))
    await watch()
    (tmp_path / "helper.py").write_text("VALUE = 2")
    await server.reported("a.py", "ok", "default/a v2")
    assert server.published.count("b") == 1
    (tmp_path / "helper.py").write_text("VALUE = (")
    report = await server.reported("a.py", "broken")
    assert report.error == "helper.py:1: SyntaxError: '(' was never closed"
    assert report.line == 0


async def test_new_deleted_and_renamed_files(server, watch, tmp_path):
    watcher = await watch()
    (tmp_path / "a.py").write_text(flow("a"))
    await server.reported("a.py", "ok", "default/a v1")
    (tmp_path / "a.py").rename(tmp_path / "z.py")
    await server.reported("z.py", "ok")
    report = await server.reported("a.py", "ok", "no longer in a.py")
    assert report.changes == ["default/a is no longer in a.py; v1 keeps serving"]
    assert [path.name for path in watcher.files] == ["z.py"]


async def test_a_deleted_broken_file_does_not_stay_broken(server, watch, tmp_path):
    (tmp_path / "a.py").write_text("raise\n" + flow("a"))
    await watch()
    assert server.last("a.py").status == "broken"
    (tmp_path / "a.py").unlink()
    assert (await server.reported("a.py", "ok")).changes == ["file removed"]


async def test_a_workflow_that_left_the_file_keeps_serving_and_is_named(server, watch, tmp_path):
    file = tmp_path / "a.py"
    file.write_text(flow("one") + flow("two"))
    await watch()
    file.write_text(flow("one", value=2))
    report = await server.reported("a.py", "ok", "v2")
    assert "default/two is no longer in a.py; v1 keeps serving" in report.changes


async def test_the_same_workflow_in_two_files_is_a_warning(server, watch, tmp_path):
    (tmp_path / "a.py").write_text(flow("same"))
    (tmp_path / "b.py").write_text(flow("same", value=2))
    await watch()
    sentences = [change for report in server.reports for change in report.changes]
    assert any("is also defined in" in sentence for sentence in sentences)


async def test_a_burst_of_saves_ends_with_the_last_one(server, watch, tmp_path):
    file = tmp_path / "a.py"
    file.write_text(flow())
    await watch()
    server.gate.clear()
    for value in range(50):
        file.write_text(flow(value=value))
    file.write_text(flow(value="'last'"))
    server.gate.set()
    await server.until(lambda: "'last'" in server.versions["hello"][-1][1])
    assert len(server.published) < 10


async def test_editors_that_replace_the_file_are_seen(server, watch, tmp_path):
    file = tmp_path / "a.py"
    file.write_text(flow())
    await watch("a.py")
    (tmp_path / "a.py.tmp").write_text(flow(value=2))
    (tmp_path / "a.py.tmp").replace(file)
    await server.reported("a.py", "ok", "v2")


async def test_a_named_file_without_workflows_is_still_checked(server, watch, tmp_path):
    (tmp_path / "a.py").write_text("x = 1")
    (tmp_path / "b.py").write_text(flow("b"))
    await watch("a.py")
    assert server.published == ["a"]


async def test_saves_while_the_server_is_away_are_published_when_it_is_back(server, watch, tmp_path):
    file = tmp_path / "a.py"
    (tmp_path / "b.py").write_text(flow("b"))
    file.write_text(flow())
    watcher = await watch()
    server.down = True
    file.write_text(flow(value=2))
    await watcher.changed({file.resolve()})
    await watcher.settled()
    server.down = False
    server.reports.clear()
    await watcher.server_is_back()
    await watcher.settled()
    assert server.last("a.py").changes == ["default/hello v2"]
    assert server.last("b.py").status == "ok"


async def test_a_worker_that_is_late_is_waited_for(server, watch, tmp_path):
    server.workerless = 2
    (tmp_path / "a.py").write_text(flow())
    await watch()
    assert server.last("a.py").status == "ok"


async def test_checking_everything_on_demand_finds_what_was_missed(server, watch, tmp_path):
    watcher = await watch()
    (tmp_path / "a.py").write_text(flow("a"))
    await watcher.check_all()
    assert server.last("a.py").status == "ok"
    before = len(server.published)
    await watcher.check_all()
    assert len(server.published) > before
    assert len(server.versions["a"]) == 1


def test_paths_are_absolute_and_resolved(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Scope.of([Path()]).paths == (tmp_path.resolve(),)
