"""Questions to workers: is this value valid, what does this source define?

The server never imports user code, so it asks a worker of that code version, and falls back to the
JSON schema alone when none answers in time.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any

from flux.codec import Payload
from flux.dispatch.matching import Candidate, choose
from flux.dispatch.plain import fits_plainly
from flux.dispatch.port import (
    Delivery,
    ProbeRequested,
    ProbeResult,
    ReplayResult,
    ValidationRequested,
    ValidationResult,
)
from flux.dispatch.presence import Presence
from flux.dispatch.records import new_id
from flux.dispatch.secrecy import Secrecy
from flux.domain import Bundle, PendingWait, WorkflowVersion
from flux.errors import InvalidInputError, ServerUnavailableError

VALIDATION_DEADLINE = 3.0
"""Seconds a worker has to validate a value before the JSON schema decides alone."""

PROBE_DEADLINE = 30.0
"""Seconds a worker has to import a source."""


class Questions:
    """Asks online workers, and matches their answers to the questions."""

    def __init__(self, presence: Presence, ids: Callable[[], str] = new_id) -> None:
        self._presence = presence
        self._ids = ids
        self._open: dict[str, asyncio.Future[Any]] = {}
        self._closed = False

    async def ask(self, digest: str, deadline: float, question: Callable[[str], Delivery]) -> Any:
        """The answer of the best worker for that code version; None without one, without it, or after the deadline.

        Raises `ServerUnavailableError` when the server closes first: what cannot be asked cannot be decided.
        """
        if self._closed:
            raise _closing()
        # A question takes no slot, so a full worker may be asked as well.
        candidates = [Candidate(one.name, 1, 1, one.warm) for one in self._presence.candidates()]
        name = choose(candidates, digest)
        if name is None:
            return None
        request_id, loop = self._ids(), asyncio.get_running_loop()
        answer = self._open[request_id] = loop.create_future()
        gone = loop.create_task(self._presence.get(name).gone.wait())
        try:
            self._presence.deliver(name, question(request_id))
            await asyncio.wait((answer, gone), timeout=deadline, return_when=asyncio.FIRST_COMPLETED)
            if answer.cancelled():
                raise _closing()
            return answer.result() if answer.done() else None
        finally:
            gone.cancel()
            del self._open[request_id]

    @property
    def askable(self) -> bool:
        """Whether anybody is there to be asked."""
        return bool(self._presence.online())

    def answer(self, request_id: str, result: ValidationResult | ProbeResult | ReplayResult) -> None:
        """A worker has answered; answers that come too late are dropped."""
        waiting = self._open.get(request_id)
        if waiting is not None and not waiting.done():
            waiting.set_result(result)

    def close(self) -> None:
        """The server closes: nobody will answer any more."""
        self._closed = True
        for waiting in self._open.values():
            waiting.cancel()

    async def probe(self, bundle: Bundle, cwd: str = "") -> ProbeResult | None:
        """What a source defines, found by a worker that imports it; None when no worker can."""
        result = await self.ask(bundle.digest, PROBE_DEADLINE, lambda id: ProbeRequested(id, bundle, cwd))
        return result if isinstance(result, ProbeResult) else None


class Validator:
    """Checks inputs and answers before they are accepted; raises `InvalidInputError`."""

    def __init__(self, questions: Questions, secrecy: Secrecy) -> None:
        self._questions = questions
        self._secrecy = secrecy

    async def input(self, version: WorkflowVersion, value: Any, payload: Payload) -> None:
        """An input of a workflow; anything goes when the workflow does not type it.

        What plain types let through needs no runner; what they refuse, the code may accept all the same.
        """
        schema = version.spec.input_schema
        if schema is None or fits_plainly(schema, value):
            return
        spec = version.spec
        await self._check(
            version.digest,
            schema,
            value,
            lambda id: ValidationRequested(id, version.digest, spec.namespace, spec.name, "input", payload),
        )

    async def answer(self, wait: PendingWait, digest: str, value: Any, payload: Payload) -> None:
        """An answer to a wait. A schema without a model behind it decides alone."""
        if not wait.schema and not wait.model:
            return
        schema = json.loads(wait.schema) if wait.schema else {}
        if not wait.model:
            await self._refuse(schema_errors(schema, value))
            return
        ref = wait.ref
        await self._check(
            digest,
            schema,
            value,
            lambda id: ValidationRequested(
                id, digest, ref.namespace, ref.name, "answer", payload, wait.schema, wait.model
            ),
        )

    async def _check(
        self, digest: str, schema: Mapping[str, Any], value: Any, question: Callable[[str], Delivery]
    ) -> None:
        result = await self._questions.ask(digest, VALIDATION_DEADLINE, question)
        if isinstance(result, ValidationResult):
            await self._refuse(list(result.errors))
        else:
            await self._refuse(schema_errors(schema, value))

    async def _refuse(self, errors: list[dict[str, object]]) -> None:
        """Errors of schemas quote what was sent."""
        if errors:
            raise InvalidInputError(errors=await self._secrecy.plain(errors))


def schema_errors(schema: Mapping[str, Any], value: Any) -> list[dict[str, object]]:
    """What a JSON schema has against a plain value, as per-field errors.

    A schema that is itself broken, or that refers to something outside it, has nothing against any value:
    nothing is fetched.

    Example:
        >>> schema_errors({"properties": {"n": {"type": "integer"}}}, {"n": "x"})
        [{'loc': ['n'], 'msg': "'x' is not of type 'integer'", 'type': 'type'}]
    """
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError
    from referencing import Registry
    from referencing.exceptions import Unresolvable

    try:
        Draft202012Validator.check_schema(schema)
        validator = Draft202012Validator(schema, registry=Registry())
        return [
            {"loc": list(error.absolute_path), "msg": error.message, "type": str(error.validator)}
            for error in sorted(validator.iter_errors(value), key=lambda error: [str(part) for part in error.path])
        ]
    except (SchemaError, Unresolvable):
        return []


def _closing() -> ServerUnavailableError:
    return ServerUnavailableError("The server is closing.", hint="Try again when it is back.")
