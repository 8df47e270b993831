"""Answers what running code asks for, from the store: for local runs and for workers alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_never

from flux.codec import Payload, from_plain
from flux.domain import Inquiry, InquiryKind
from flux.store.store import Store


class StoreDesk:
    """See `flux.engine.ports.Desk`.

    Example:
        desk = StoreDesk(store)
        found = await desk.ask(Inquiry(InquiryKind.CACHE_READ, (key,)))
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    async def ask(self, inquiry: Inquiry) -> Mapping[str, Payload]:
        """The values that are there, by name."""
        match inquiry.kind:
            case InquiryKind.CACHE_READ:
                return await self._read_cache(inquiry)
            case InquiryKind.CACHE_WRITE:
                return await self._write_cache(inquiry)
            case InquiryKind.CHILD:
                return {}  # only who dispatches or runs the child can judge its input
            case InquiryKind.SECRETS:
                return {
                    name: from_plain(value) for name, value in (await self._store.secrets.get(inquiry.names)).items()
                }
            case InquiryKind.CONFIGS:
                return await self._store.configs.get(inquiry.names)
            case _:
                assert_never(inquiry.kind)

    async def _read_cache(self, inquiry: Inquiry) -> Mapping[str, Payload]:
        found = {key: await self._store.cache.get(key) for key in inquiry.names}
        return {key: value for key, value in found.items() if value is not None}

    async def _write_cache(self, inquiry: Inquiry) -> Mapping[str, Payload]:
        if inquiry.value is not None:
            for key in inquiry.names:
                await self._store.cache.put(key, inquiry.value, inquiry.expires_at)
        return {}
