"""Dry replays inside a runner."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from flux.clock import Clock
from flux.codec import Codec
from flux.domain import EventRecord, WorkflowRef
from flux.domain.verdict import Outcome, Verdict
from flux.engine.dryrun import dry_run
from flux.errors import WorkflowNotFoundError
from flux.worker.channel import Channel
from flux.worker.frames import Replay, Replayed

if TYPE_CHECKING:
    from flux.engine.workflow import Workflow


class DryRuns:
    """Puts the parts of histories together, replays them, and answers."""

    def __init__(self, channel: Channel, clock: Clock) -> None:
        self._channel = channel
        self._clock = clock
        self._parts: dict[str, list[EventRecord]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def take(self, frame: Replay, find: Callable[[WorkflowRef], Workflow[Any, Any]], codec: Codec) -> None:
        """One part of a history; with the last one the replay begins."""
        events = self._parts.setdefault(frame.request_id, [])
        events.extend(frame.events)
        if frame.last:
            del self._parts[frame.request_id]
            task = asyncio.get_running_loop().create_task(self._answer(frame, events, find, codec))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _answer(
        self,
        frame: Replay,
        events: list[EventRecord],
        find: Callable[[WorkflowRef], Workflow[Any, Any]],
        codec: Codec,
    ) -> None:
        try:
            workflow = find(frame.execution.ref)
        except WorkflowNotFoundError as error:
            verdict = Verdict(Outcome.UNLOADABLE, str(error))
        else:
            _stand_in_for_script(workflow)
            verdict = await dry_run(
                workflow, frame.execution, events, codec=codec, clock=self._clock, patience=frame.patience
            )
        self._channel.send(Replayed(frame.request_id, verdict))


def _stand_in_for_script(workflow: Workflow[Any, Any]) -> None:
    """Have the types of a script found that has run it: it recorded them as those of `__main__`.

    Nothing else runs in this process.
    """
    sys.modules["__main__"] = sys.modules[workflow.func.__module__]
