"""`FluxEnv`: where the workflows of a test run."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from flux.clock import to_datetime, to_micros
from flux.domain.saved import SavedHistory
from flux.engine.workflow import Workflow
from flux.errors import UsageError
from flux.local.host import LocalHost
from flux.store.committer import run_inline
from flux.testing.answers import Answers
from flux.testing.bench import Bench
from flux.testing.bridge import Bridge
from flux.testing.clock import START, FakeClock
from flux.testing.fakes import Fake, Fakes, Target
from flux.testing.given import Given
from flux.testing.points import Point
from flux.testing.run import Run


class FluxEnv:
    """Runs workflows for a test: the real engine, a store in memory, and a clock that skips every wait.

    When nothing of a run can move but time, the clock jumps to its next timer: sleeps, back-offs, timeouts of
    tasks, pauses and workflows take no time. With pytest, ask for the fixture `flux_env`; elsewhere use it
    in a `with` block.

    Args:
        start: what the clock shows at the beginning; a day in June 2025 unless given.
        secrets: what `secrets` holds at the beginning.
        configs: what `configs` holds at the beginning.
        serializer: "json" refuses values that JSON cannot carry, as the setting of that name does.

    Attributes:
        runs: all runs so far.
    """

    def __init__(
        self,
        *,
        start: datetime | None = None,
        secrets: Mapping[str, str] | None = None,
        configs: Mapping[str, Any] | None = None,
        serializer: Literal["pkl", "json"] = "pkl",
    ) -> None:
        self._clock = FakeClock(START if start is None else to_micros(start))
        self._fakes = Fakes()
        self._answers = Answers()
        self._given = Given()
        self._bench = Bench(self._clock, self._fakes, self._answers, self._given, serializer)
        self._bridge = Bridge()
        self.secrets.update(secrets or {})
        self.configs.update(configs or {})
        self.runs: list[Run] = []

    @property
    def secrets(self) -> dict[str, str]:
        """What tasks with `secret_requests` are given, by name; each run takes what is in it when it goes on."""
        return self._given.secrets

    @property
    def configs(self) -> dict[str, Any]:
        """What tasks with `config_requests` are given, by name."""
        return self._given.configs

    @property
    def now(self) -> datetime:
        """What the clock shows, UTC."""
        return to_datetime(self._clock.now())

    def run(
        self,
        workflow: Workflow[Any, Any],
        input: Any = None,
        *,
        crash_at: Point | None = None,
        cancel_at: Point | None = None,
    ) -> Run:
        """Run a workflow until it ends, waits for a person, or crashes. In an async test: `await` it.

        Args:
            crash_at: where its process dies: after a number of durable events, while a task (or the task of a
                name) runs for the first time, or after a time. `Run.proceed` goes on from there.
            cancel_at: where somebody cancels it: while a task runs, or after a time.

        Raises `InvalidInputError` when the input does not fit, `UsageError` when the run never comes to the point.
        """
        run = self._new_run(workflow)
        return run._step(lambda host: host.start(workflow, input, run.execution_id), crash_at, cancel_at)

    def replay(self, workflow: Workflow[Any, Any], history: str | Path) -> Run:
        """Replay a saved history against code, without a side effect. In an async test: `await` it.

        The run that is returned stands where the history ends, and can be carried on from there.

        Args:
            history: the file, as `Run.save` writes it.

        Raises `NonDeterminismError` when the code does anything else than the history says.
        """
        saved = SavedHistory.parse(Path(history).read_text(encoding="utf-8"))
        run = self._new_run(workflow, saved.execution.id)

        async def act(_: LocalHost) -> None:
            await self._bench.load(saved, run.execution_id)
            await self._bench.replay(run.execution_id, workflow)

        return run._look(act)

    def _new_run(self, workflow: Workflow[Any, Any], execution_id: str = "") -> Run:
        if not isinstance(workflow, Workflow):
            raise UsageError(f"{workflow!r} is no workflow.", hint="Run a workflow; its tasks run inside of it.")
        known = {run.execution_id for run in self.runs}
        if not execution_id or execution_id in known:
            execution_id = f"{workflow.name}-{len(self.runs) + 1}"
        run = Run(self._bench, self._bridge, workflow, execution_id)
        self.runs.append(run)
        return run

    def fake(self, target: Target, *outcomes: Any) -> Fake:
        """Replace a task or a child workflow, from now on in this environment.

        Retries, timeouts, fallbacks and events stay those of the task; only its body is replaced.

        Args:
            target: the task or workflow, or its name; `"namespace/name"` may be a workflow that is defined elsewhere.
            outcomes: what its attempts give, in order; the last one stays. An exception is raised, a function
                (sync or async) is called with the task's arguments or the workflow's input, `HANG` never ends by
                itself, and anything else is the value. Without any the value is None.

        Example:
            >>> from flux.testing import FluxEnv
            >>> env = FluxEnv()
            >>> env.fake("charge", ConnectionError("bank is down"), "receipt 7")
            <fake charge: 0 calls>
        """
        fake = Fake(target, outcomes, self._clock)
        self._fakes.add(fake)
        return fake

    def answer(self, pause: str, *answers: Any) -> None:
        """Queue answers for the pauses of a name: each is given as soon as such a pause is all that is waited for.

        Args:
            answers: used once each, in order. A function makes the answer of what the pause shows, and
                `UNANSWERED` lets the pause run into its timeout.
        """
        self._answers.add(pause, answers)

    def close(self) -> None:
        """Throw away what the runs have stored."""
        run_inline(self._bench.close())
        self._bridge.close()

    def report(self) -> str:
        """All runs with their events, for the report of a test that failed."""
        family = [one for run in self.runs if run.has_begun for one in run.family]
        return "\n\n".join(f"{run!r}\n{run.events}" for run in family)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
