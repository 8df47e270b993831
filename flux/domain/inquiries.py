"""What running code asks of whoever runs it, beside having its events made durable."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from flux.codec import Payload


class InquiryKind(StrEnum):
    """What can be asked for."""

    CACHE_READ = "cache_read"
    CACHE_WRITE = "cache_write"
    CHILD = "child"
    SECRETS = "secrets"
    CONFIGS = "configs"


@dataclass(frozen=True, slots=True)
class Inquiry:
    """One question; its answer maps names to values, and what is not there has no entry.

    Attributes:
        names: what is asked for, or the one name that `value` is to be kept under, or the workflow of a child.
        value: what to keep, and the answer is empty then; or the child's input, and the answer is its `refusal`.
        expires_at: microseconds UTC from which the kept value counts as missing; None keeps it.
    """

    kind: InquiryKind
    names: tuple[str, ...]
    value: Payload | None = None
    expires_at: int | None = None
