"""Secrets and configs: what is kept comes back by name; nothing of a secret can be read in the file."""

from __future__ import annotations

import logging

import pytest

from flux.codec import Payload, from_plain
from flux.domain import Inquiry, InquiryKind
from flux.errors import ConfigNotFoundError, ConfigurationError, SecretNotFoundError, UsageError, WrongKeyError
from flux.store import Store, StoreDesk


@pytest.fixture
async def store(url, clock):
    store = await Store.open(url, clock=clock, synchronous="normal", secrets_key=lambda: b"key")
    yield store
    await store.close()


async def test_a_secret_is_kept_replaced_listed_and_forgotten(store):
    await store.secrets.set("B", "bbbbbbbb")
    await store.secrets.set("A/1", "first")
    await store.secrets.set("A/1", "second ü\n")
    assert await store.secrets.names() == ["A/1", "B"]
    assert await store.secrets.get(["A/1", "B", "C"]) == {"A/1": "second ü\n", "B": "bbbbbbbb"}
    await store.secrets.remove("B")
    assert await store.secrets.names() == ["A/1"]
    with pytest.raises(SecretNotFoundError, match="Secret 'B' not found"):
        await store.secrets.remove("B")


async def test_a_config_is_kept_replaced_listed_and_forgotten(store):
    await store.configs.set("limits", from_plain({"n": 1}))
    await store.configs.set("limits", from_plain([1, None]))
    assert await store.configs.names() == ["limits"]
    assert await store.configs.get(["limits", "other"]) == {"limits": Payload(b"[1,null]")}
    await store.configs.remove("limits")
    assert await store.configs.get(["limits"]) == {}
    with pytest.raises(ConfigNotFoundError, match="Config 'limits' not found"):
        await store.configs.remove("limits")


async def test_a_config_is_no_place_for_a_secret(store):
    await store.secrets.set("A", "hunter2!")
    with pytest.raises(UsageError, match="contains a secret"):
        await store.configs.set("url", from_plain({"url": "https://x/?key=hunter2%21"}))
    assert await store.configs.names() == []


@pytest.mark.parametrize("name", ["", " A", "A ", "a\nb", "x" * 256])
async def test_names_that_cannot_be_used(store, name):
    with pytest.raises(UsageError, match="cannot name a secret"):
        await store.secrets.set(name, "value")
    with pytest.raises(UsageError, match="cannot name a config"):
        await store.configs.set(name, from_plain(1))


@pytest.mark.parametrize("value", ["", "\ud800"])
async def test_values_that_cannot_be_kept(store, value):
    with pytest.raises(UsageError, match="The secret 'A'"):
        await store.secrets.set("A", value)


async def test_the_desk_answers_with_what_is_there(store):
    await store.secrets.set("A", "aaaaaaaa")
    await store.configs.set("c", from_plain({"n": 1}))
    desk = StoreDesk(store)
    assert await desk.ask(Inquiry(InquiryKind.SECRETS, ("A", "B"))) == {"A": Payload(b'"aaaaaaaa"')}
    assert await desk.ask(Inquiry(InquiryKind.CONFIGS, ("c", "d"))) == {"c": Payload(b'{"n":1}')}


async def test_the_redactor_follows_what_is_kept_and_forgets_nothing(store):
    assert not (await store.secrets.redactor()).active
    await store.secrets.set("A", "first-value")
    assert (await store.secrets.redactor()).redact("first-value") == "•••"
    await store.secrets.set("A", "second-value")
    await store.secrets.remove("A")
    await store.secrets.set("B", "third-value")
    assert (await store.secrets.redactor()).redact("first-value third-value") == "••• •••"


async def test_what_another_process_keeps_is_known(tmp_path):
    url = f"sqlite:///{tmp_path}/flux.db"
    here = await Store.open(url, secrets_key=lambda: b"key")
    there = await Store.open(url, secrets_key=lambda: b"key")
    await there.secrets.set("A", "from-elsewhere")
    assert (await here.secrets.redactor()).redact("from-elsewhere") == "•••"
    for store in (here, there):
        await store.close()


async def test_another_key_is_an_error_that_says_so_and_hurts_nothing_else(tmp_path, caplog):
    url = f"sqlite:///{tmp_path}/flux.db"
    store = await Store.open(url, secrets_key=lambda: b"old")
    await store.secrets.set("A", "aaaaaaaa")
    await store.close()
    store = await Store.open(url, secrets_key=lambda: b"new")
    with pytest.raises(WrongKeyError, match=r"The secret 'A' was encrypted with key .* missing"):
        await store.secrets.get(["A"])
    with caplog.at_level(logging.WARNING):
        await store.secrets.redactor()
        await store.secrets.set("B", "bbbbbbbb")
        assert (await store.secrets.redactor()).redact("bbbbbbbb") == "•••"
    assert [record.message.count("'A'") for record in caplog.records] == [1]
    await store.secrets.set("A", "anew-aaaa")
    assert await store.secrets.get(["A"]) == {"A": "anew-aaaa"}
    await store.close()


async def test_a_store_without_a_key_keeps_no_secret():
    store = await Store.open("sqlite:///:memory:")
    assert not (await store.secrets.redactor()).active
    with pytest.raises(ConfigurationError, match="without a key"):
        await store.secrets.set("A", "aaaaaaaa")
    await store.close()


async def test_nothing_of_a_secret_is_in_the_file(tmp_path):
    store = await Store.open(f"sqlite:///{tmp_path}/flux.db", secrets_key=lambda: b"key")
    await store.secrets.set("A", "nobody-reads-this")
    files = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"nobody" not in files
    assert b"secrets" in files
    await store.close()
