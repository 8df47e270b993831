"""Values that are kept for other executions."""

from flux.codec import Payload


async def test_what_is_kept_is_found_by_its_key(store):
    await store.cache.put("k", Payload(b"1"))
    await store.cache.put("other", Payload(b"\x00", "dill", "thing"))
    assert await store.cache.get("k") == Payload(b"1")
    assert await store.cache.get("other") == Payload(b"\x00", "dill", "thing")
    assert await store.cache.get("missing") is None


async def test_a_later_value_takes_the_place_of_an_earlier_one(store):
    await store.cache.put("k", Payload(b"1"), 1)
    await store.cache.put("k", Payload(b"null"))
    assert await store.cache.get("k") == Payload(b"null")


async def test_what_has_expired_counts_as_missing(store, clock):
    await store.cache.put("k", Payload(b"1"), clock.now() + 2_000_000)
    assert await store.cache.get("k") is not None
    clock.advance(2)
    assert await store.cache.get("k") is None
