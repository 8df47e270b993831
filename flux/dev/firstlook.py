"""What the watched files hold at the start, found while the server is starting."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from pathlib import Path

from flux.catalog.files import collect_file
from flux.domain import Bundle
from flux.errors import FluxError
from flux.worker.frames import Loaded
from flux.worker.probe import probe_all

log = logging.getLogger("flux.dev")


class FirstLook:
    """Imports files in one throwaway process, so that no worker needs a runner for each of them.

    Args:
        cwd: folder in which the files are imported; runners of the server use the same.

    Example:
        >>> look = FirstLook("/srv/app")  # doctest: +SKIP
        >>> look.start([Path("flows.py")])  # doctest: +SKIP
        >>> await look.found(collect_file(Path("flows.py")))  # doctest: +SKIP
        Loaded(manifest=Manifest(workflows=(WorkflowSpec(…
    """

    def __init__(self, cwd: str) -> None:
        self._cwd = cwd
        self._answers: dict[str, asyncio.Future[Loaded | None]] = {}
        self._probing: asyncio.Task[None] | None = None

    def start(self, paths: Iterable[Path]) -> None:
        """Begin; what cannot even be read is left to the check of the file."""
        bundles = {bundle.digest: bundle for path in paths if (bundle := _collected(path)) is not None}
        loop = asyncio.get_running_loop()
        self._answers = {digest: loop.create_future() for digest in bundles}
        self._probing = loop.create_task(self._probe(list(bundles.values())), name="flux-dev-first-look")

    async def found(self, bundle: Bundle) -> Loaded | None:
        """What exactly this source holds; None when it was not looked at, and after the first time."""
        answer = self._answers.pop(bundle.digest, None)
        return await answer if answer is not None else None

    async def close(self) -> None:
        """End the process if it still runs."""
        if self._probing is not None:
            self._probing.cancel()
            await asyncio.gather(self._probing, return_exceptions=True)

    async def _probe(self, bundles: list[Bundle]) -> None:
        answers = dict(self._answers)
        try:
            await probe_all(
                bundles, self._cwd, on_loaded=lambda bundle, loaded: answers[bundle.digest].set_result(loaded)
            )
        except* OSError as errors:
            log.warning("no process to look into the files with: %s", errors.exceptions[0])
        finally:
            for answer in answers.values():
                if not answer.done():
                    answer.set_result(None)


def _collected(path: Path) -> Bundle | None:
    try:
        return collect_file(path)
    except (FluxError, SyntaxError, OSError, ValueError, RecursionError):
        return None
