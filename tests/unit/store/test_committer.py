from __future__ import annotations

import asyncio

import pytest

from flux.errors import ConflictError, StoreError, WaitAmbiguousError
from flux.store.committer import Committer, _comes_to_rest, _twin
from flux.store.errors import StatementError
from flux.store.sqlite import SQLiteDriver
from flux.store.statements import Statement

INSERT = Statement.parse("insert", "insert into numbers (n) values (:n)", "sqlite")
SELECT = Statement.parse("select", "select n from numbers order by n", "sqlite")


@pytest.fixture
async def driver():
    driver = SQLiteDriver(":memory:")
    await driver.execute(Statement.parse("create", "create table numbers (n integer primary key)", "sqlite"), {})
    yield driver
    await driver.close()


@pytest.fixture
def undone():
    return []


@pytest.fixture
def committer(driver, undone):
    return Committer(driver, on_undo=lambda: undone.append(1))


async def numbers(driver):
    return [n for (n,) in await driver.get(SELECT, {})]


def adding(*values, error=None):
    async def operation(transaction):
        for n in values:
            await transaction.execute(INSERT, {"n": n})
        if error is not None:
            raise error
        return values

    return operation


async def test_what_is_queued_together_shares_a_transaction(committer, driver):
    assert await asyncio.gather(*(committer.submit(adding(n)) for n in range(50))) == [(n,) for n in range(50)]
    assert committer.flushes == 1
    assert await numbers(driver) == list(range(50))


async def test_an_answer_comes_after_the_commit(committer, driver):
    def in_transaction():
        return driver._connection.in_transaction

    seen = []

    async def operation(transaction):
        seen.append(in_transaction())

    await committer.submit(operation)
    assert seen == [True]
    assert not in_transaction()


async def test_what_is_committed_alone_remembers_nothing_of_what_was_before_it(driver):
    memory: list[int] = []
    committer = Committer(driver, on_undo=memory.clear)

    async def remembering(transaction):
        memory.append(1)

    async def recalling(transaction):
        return list(memory)

    writes = [adding(error=ValueError("spoilt")), remembering, recalling]
    spoilt, _, recalled = await asyncio.gather(*map(committer.submit, writes), return_exceptions=True)
    assert isinstance(spoilt, ValueError)
    assert recalled == []
    assert await asyncio.gather(committer.submit(remembering), committer.submit(recalling)) == [None, [1]]


async def test_a_refusal_before_any_write_fails_alone(committer, driver, undone):
    outcomes = await asyncio.gather(
        committer.submit(adding(1)),
        committer.submit(adding(error=ConflictError("no"))),
        committer.submit(adding(3)),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in outcomes] == [tuple, ConflictError, tuple]
    assert await numbers(driver) == [1, 3]
    assert committer.flushes == 1
    assert undone


@pytest.mark.parametrize(
    ("spoiler", "error"),
    [
        (adding(2, error=ConflictError("late")), ConflictError),
        (adding(2, error=ZeroDivisionError()), ZeroDivisionError),
        (adding(2, 2), StatementError),
        (adding(2, 2**70), StatementError),
    ],
    ids=["refusal after a write", "bug", "constraint", "number too large"],
)
async def test_a_failure_after_a_write_leaves_nothing_of_itself(committer, driver, undone, spoiler, error):
    outcomes = await asyncio.gather(
        committer.submit(adding(1)), committer.submit(spoiler), committer.submit(adding(3)), return_exceptions=True
    )
    assert isinstance(outcomes[1], error)
    assert (outcomes[0], outcomes[2]) == ((1,), (3,))
    assert await numbers(driver) == [1, 3]
    assert undone


async def test_a_full_disk_fails_the_batch_and_the_next_one_works(committer, driver):
    ((pages,),) = driver._connection.execute("pragma page_count").fetchall()
    driver._connection.execute(f"pragma max_page_count = {pages}")
    blow = Statement.parse("blow", "create table blown (x) ", "sqlite")

    async def operation(transaction):
        await transaction.execute(blow, {})

    outcomes = await asyncio.gather(committer.submit(adding(1)), committer.submit(operation), return_exceptions=True)
    assert all(isinstance(outcome, StoreError) for outcome in outcomes)
    assert all("disk is full" in str(outcome) and outcome.hint for outcome in outcomes)
    assert outcomes[0] is not outcomes[1]
    assert await numbers(driver) == []

    driver._connection.execute("pragma max_page_count = 100000")
    assert await committer.submit(adding(1)) == (1,)


async def test_a_cancelled_waiter_does_not_take_its_write_back(committer, driver):
    waiting = asyncio.ensure_future(committer.submit(adding(1)))
    waiting.cancel()
    await committer.submit(adding(2))
    assert await numbers(driver) == [1, 2]


async def test_closing_commits_what_is_queued(committer, driver):
    waiting = committer.submit(adding(1))
    await committer.close()
    assert await waiting == (1,)
    with pytest.raises(StoreError, match="closed"):
        committer.submit(adding(2))
    assert await numbers(driver) == [1]


async def test_a_database_that_suspends_is_driven_by_a_task(driver):
    class Slow(SQLiteDriver):
        inline = False

        async def begin(self):
            await asyncio.sleep(0)
            return await super().begin()

    slow = Slow(":memory:")
    committer = Committer(slow)
    await slow.execute(Statement.parse("create", "create table numbers (n integer primary key)", "sqlite"), {})
    first = asyncio.ensure_future(committer.submit(adding(1)))
    await asyncio.sleep(0)
    assert await asyncio.gather(first, committer.submit(adding(2)), committer.submit(adding(3))) == [(1,), (2,), (3,)]
    await committer.close()
    assert await numbers(slow) == [1, 2, 3]
    await slow.close()


async def test_a_database_that_should_not_suspend_is_caught(driver):
    class Broken(SQLiteDriver):
        async def begin(self):
            await asyncio.sleep(1)
            return await super().begin()

    errors = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: errors.append(context["exception"]))
    broken = Broken(":memory:")
    Committer(broken).submit(adding(1))
    await asyncio.sleep(0)
    assert [type(error) for error in errors] == [RuntimeError]
    await broken.close()


class Picky(StoreError):
    """Its constructor takes something else than a message."""

    def __init__(self, names):
        self.names = names
        super().__init__(f"not {', '.join(names)}", hint="Ask again.")


async def test_everybody_in_a_failed_batch_gets_the_same_error_of_their_own(committer):
    outcomes = await asyncio.gather(
        committer.submit(adding(1)),
        committer.submit(adding(error=Picky(["this", "that"]))),
        committer.submit(adding(3)),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in outcomes] == [Picky] * 3
    assert {outcome.message for outcome in outcomes} == {"not this, that"}
    assert all((outcome.names, outcome.hint) == (["this", "that"], "Ask again.") for outcome in outcomes)
    assert len({id(outcome) for outcome in outcomes}) == 3


async def test_an_error_shared_by_a_batch_keeps_its_waits():
    error = WaitAmbiguousError([{"id": "1", "name": "a", "kind": "input"}, {"id": "2", "name": "b", "kind": "input"}])
    twin = _twin(error)
    assert (str(twin), twin.extra(), type(twin)) == (str(error), error.extra(), WaitAmbiguousError)


async def test_what_comes_alone_is_committed_at_once(committer, driver):
    done = committer.submit(adding(1), alone=True)
    assert done.done()
    assert await numbers(driver) == [1]
    assert await done == (1,)


async def test_what_is_not_alone_waits_for_the_others(committer, driver):
    async def one(n):
        return await committer.submit(adding(n), alone=True)

    assert await asyncio.gather(*map(one, range(3))) == [(0,), (1,), (2,)]
    assert committer.flushes == 1


async def test_an_error_of_a_commit_at_once_is_the_future_s(committer):
    done = committer.submit(adding(error=ConflictError("no")), alone=True)
    with pytest.raises(ConflictError):
        await done


def test_a_loop_that_cannot_be_read_never_seems_to_rest():
    assert not _comes_to_rest(asyncio.AbstractEventLoop())


async def test_a_single_operation_gets_a_second_chance_with_nothing_remembered(driver):
    remembered = [1]
    committer = Committer(driver, on_undo=remembered.clear)

    async def operation(transaction):
        await transaction.execute(INSERT, {"n": 1})
        if remembered:
            raise ConflictError("what is remembered is outdated")
        return "done"

    assert await committer.submit(operation) == "done"
    assert await numbers(driver) == [1]
