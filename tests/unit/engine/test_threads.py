"""Sync bodies and the threads that they run in."""

from __future__ import annotations

import threading

import pytest

from flux import task, workflow
from flux.engine import threads
from flux.errors import ExecutionTimeoutError


@pytest.fixture
def one_thread(monkeypatch):
    monkeypatch.setattr(threads, "MAX_THREADS", 1)
    threads._pool.cache_clear()
    yield
    threads._pool().shutdown()
    threads._pool.cache_clear()


async def test_a_body_whose_wait_has_ended_before_a_thread_was_free_never_runs(lab, one_thread):
    release = threading.Event()
    began: list[str] = []

    @task
    def note(text: str) -> None:
        began.append(text)

    @task.with_options(timeout=0.05)
    def block() -> None:
        began.append("block")
        release.wait()

    @task.with_options(timeout=0.05)
    def late() -> None:
        began.append("late")

    @workflow
    async def w(ctx):
        errors = []
        for each in (block, late):
            try:
                await each()
            except ExecutionTimeoutError as error:
                errors.append(error)
        release.set()
        await note("after")
        return len(errors)

    session = await lab.run(w)
    assert session.context.output == 2
    assert began == ["block", "after"]
