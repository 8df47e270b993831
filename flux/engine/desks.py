"""Desks for runs without a store behind them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flux.codec import Codec, Payload
from flux.domain import Inquiry, InquiryKind
from flux.engine.ports import Desk, EmptyDesk

_CODEC = Codec("json")


class GivenDesk:
    """Answers with the secrets and configs it was given; another desk answers the rest.

    Example:
        >>> desk = GivenDesk({"API_KEY": "hunter2"}, {"limits": {"rows": 10}})
        >>> session = Session(workflow, execution, history, desk=desk, ...)  # doctest: +SKIP
    """

    def __init__(
        self,
        secrets: Mapping[str, str] | None = None,
        configs: Mapping[str, Any] | None = None,
        rest: Desk | None = None,
    ) -> None:
        self._given = {InquiryKind.SECRETS: secrets or {}, InquiryKind.CONFIGS: configs or {}}
        self._rest = rest or EmptyDesk()

    async def ask(self, inquiry: Inquiry) -> Mapping[str, Payload]:
        """See `Desk.ask`."""
        given: Mapping[str, Any] | None = self._given.get(inquiry.kind)
        if given is None:
            return await self._rest.ask(inquiry)
        return {name: _CODEC.encode(given[name]) for name in inquiry.names if name in given}
