"""Whether a child can be started: by its name, and by what its code makes of the input."""

from __future__ import annotations

import asyncio

import pytest

from flux.codec import Codec, Payload
from flux.dispatch.desk import ServerDesk
from flux.dispatch.port import ValidationRequested, ValidationResult
from flux.dispatch.secrecy import Secrecy
from flux.dispatch.validation import Validator
from flux.domain import Inquiry, InquiryKind
from flux.errors import InvalidInputError, WorkflowNotFoundError

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}, "required": ["n"]}


@pytest.fixture
async def desk(world):
    await world.publish("untyped")
    await world.publish("plain", input_schema={"type": "integer"})
    await world.publish("typed", input_schema=SCHEMA)
    return ServerDesk(world.store, Validator(world.questions, Secrecy(world.store.secrets, world.codec)))


async def refusal(desk, name: str, data: bytes = b"1"):
    """The error with which a child is refused, or None."""
    answer = await desk.ask(Inquiry(InquiryKind.CHILD, (name,), Payload(data)))
    return Codec().decode(answer["refusal"]) if answer else None


async def test_a_name_that_nobody_has_published(desk, world):
    assert isinstance(await refusal(desk, "default/nobody"), WorkflowNotFoundError)
    assert await refusal(desk, "default/untyped") is None


async def test_without_a_worker_the_schema_decides(desk):
    assert await refusal(desk, "default/plain", b"2") is None
    assert isinstance(await refusal(desk, "default/plain", b'"two"'), InvalidInputError)
    assert await refusal(desk, "default/typed", b'{"n": 1}') is None
    error = await refusal(desk, "default/typed", b'{"n": 0}')
    assert error.errors[0]["loc"] == ["n"]


async def test_a_worker_of_its_code_decides_where_there_is_one(desk, world):
    connection = world.join()
    asking = asyncio.create_task(refusal(desk, "default/typed", b'{"n": 7}'))
    (asked,) = [one for one in await connection.batch(5) if isinstance(one, ValidationRequested)]
    assert (asked.digest, asked.name, asked.kind) == ("digest-typed", "typed", "input")
    result = ValidationResult(asked.request_id, ({"loc": ["n"], "msg": "unlucky", "type": "value_error"},))
    world.questions.answer(asked.request_id, result)
    assert "unlucky" in str(await asking)


async def test_what_is_kept_comes_from_the_store(desk):
    assert await desk.ask(Inquiry(InquiryKind.CACHE_READ, ("nothing",))) == {}
