"""Answers what running code asks for, on a server."""

from __future__ import annotations

from collections.abc import Mapping

from flux.codec import NULL, Codec, Payload, to_plain
from flux.dispatch.validation import Validator
from flux.domain import Inquiry, InquiryKind, WorkflowRef
from flux.errors import InvalidInputError, WorkflowNotFoundError
from flux.store import Store, StoreDesk

_CODEC = Codec()


class ServerDesk:
    """What is kept comes from the store; whether a child can be started, a worker of its code knows.

    Example:
        desk = ServerDesk(store, validator)
        refusal = (await desk.ask(Inquiry(InquiryKind.CHILD, ("shop/order",), payload))).get("refusal")
    """

    def __init__(self, store: Store, validator: Validator) -> None:
        self._catalog = store.catalog
        self._validator = validator
        self._kept = StoreDesk(store)

    async def ask(self, inquiry: Inquiry) -> Mapping[str, Payload]:
        """See `flux.engine.ports.Desk.ask`."""
        if inquiry.kind is not InquiryKind.CHILD:
            return await self._kept.ask(inquiry)
        try:
            for name in inquiry.names:
                await self._check(WorkflowRef.parse(name), inquiry.value or NULL)
        except (WorkflowNotFoundError, InvalidInputError) as error:
            return {"refusal": _CODEC.encode(error)}
        return {}

    async def _check(self, ref: WorkflowRef, input: Payload) -> None:
        """Raises `WorkflowNotFoundError`, or `InvalidInputError` for an input that does not fit."""
        version = await self._catalog.get(ref)
        await self._validator.input(version, to_plain(input), input)
