"""Outputs that are kept beside the log: what the log holds of them, and who keeps them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class OutputStorageReference:
    """Where an output is kept; events hold it in place of the value.

    Attributes:
        storage_type: which storage has it.
        reference_id: its name there, unique among all outputs.
        metadata: whatever the storage wants to know later; plain values, so that people and APIs can read them.

    Example:
        >>> reference = OutputStorageReference("s3", "sum_1", {"bucket": "results"})
        >>> OutputStorageReference.from_dict(reference.to_dict()) == reference
        True
    """

    storage_type: str
    reference_id: str
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {"storage_type": self.storage_type, "reference_id": self.reference_id, "metadata": dict(self.metadata)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> OutputStorageReference:
        """The reference of `to_dict`."""
        return cls(data["storage_type"], data["reference_id"], dict(data.get("metadata") or {}))


class OutputStorage(ABC):
    """Keeps outputs. The methods may be plain, then they run in a thread, or async.

    Example:
        class Shelf(OutputStorage):
            def store(self, reference_id, value):
                put(reference_id, pickle.dumps(value))
                return OutputStorageReference("shelf", reference_id)

            def retrieve(self, reference):
                return pickle.loads(get(reference.reference_id))

            def delete(self, reference):
                drop(reference.reference_id)
    """

    @abstractmethod
    def store(self, reference_id: str, value: Any) -> Any:
        """Keep a value so that it survives a crash, and return an `OutputStorageReference` to it."""

    @abstractmethod
    def retrieve(self, reference: OutputStorageReference) -> Any:
        """The value of a reference. Raises when it is gone, in words that say where it was."""

    @abstractmethod
    def delete(self, reference: OutputStorageReference) -> Any:
        """Forget a value; nothing happens when it is gone already."""


class InlineOutputStorage(OutputStorage):
    """Keeps a value in the reference itself, and so in the event.

    Example:
        >>> storage = InlineOutputStorage()
        >>> storage.retrieve(storage.store("sum_1", 3))
        3
    """

    def store(self, reference_id: str, value: Any) -> OutputStorageReference:
        """Put the value into the metadata of its reference."""
        return OutputStorageReference("inline", reference_id, {"value": value})

    def retrieve(self, reference: OutputStorageReference) -> Any:
        """The value out of the metadata."""
        return reference.metadata["value"]

    def delete(self, reference: OutputStorageReference) -> None:
        """Nothing: it goes with the event."""
