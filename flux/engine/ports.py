"""What the engine needs of the world, as narrow protocols."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from flux.codec import Payload, Redactor
from flux.domain import EventRecord, Inquiry, WorkflowRef

if TYPE_CHECKING:
    import asyncio

    from flux.engine.workflow import Workflow


class Journal(Protocol):
    """Where the engine writes what happened."""

    def append(self, events: Sequence[EventRecord], *, release: bool = False) -> asyncio.Future[int]:
        """Make events durable; the future's result is the seq of the first one.

        It fails with `StaleClaimError` when another owner has taken the execution. Appends of one
        execution are committed in the order of the calls. `release` lets go of the execution with them.
        """
        ...

    def progress(self, source_id: str, name: str, value: str) -> None:
        """Stream an ephemeral value (JSON text); may drop it."""
        ...


class Desk(Protocol):
    """Where running code asks for what is kept outside of its history."""

    async def ask(self, inquiry: Inquiry) -> Mapping[str, Payload]:
        """The values that are there, by name. Raises `FluxError` when nobody can answer."""
        ...


class EmptyDesk:
    """A desk where nothing is kept: for runs that stand alone."""

    async def ask(self, inquiry: Inquiry) -> Mapping[str, Payload]:
        """Nothing."""
        return {}


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the settings tell running code.

    Attributes:
        home: folder for files that code keeps; "" where there is none.
        default_timeout: seconds for each attempt of a task without a timeout of its own; 0 for none.
    """

    home: str = ""
    default_timeout: float = 0


class Adopt(Protocol):
    """Finds the code of a child execution in this process."""

    def __call__(self, ref: WorkflowRef, workflow: Workflow[Any, Any] | None, input: Any) -> str:
        """The digest of the code, which the child is bound to.

        Args:
            workflow: itself, where the caller has it; else it is looked for by its name.

        Raises `WorkflowNotFoundError`, or `InvalidInputError` for an input that does not fit.
        """
        ...


class ValueCodec(Protocol):
    """Values to payloads and back (see `flux.codec.Codec`).

    Attributes:
        redactor: knows the secrets of this process.
    """

    redactor: Redactor

    json_only: bool

    def encode(self, value: object, *, lent: bool = False) -> Payload:
        """Raises `CodecError` naming the path of what cannot be carried. `lent`: others still use the value."""
        ...

    def decode(self, payload: Payload) -> object:
        """The value itself, of its original type."""
        ...

    def guard(self, payload: Payload, redactor: Redactor | None = None) -> Payload:
        """The payload itself, or sealed if it contains a secret of this process, or one that `redactor` knows."""
        ...

    def unsealed(self, payload: Payload) -> Payload:
        """What was sealed, or the payload itself."""
        ...
