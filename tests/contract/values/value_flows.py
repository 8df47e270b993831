"""Values of all kinds, and workflows that carry them; a bundle of its own, imported by the tests and by runners."""

import array
import collections
import dataclasses
import enum
import math
import typing
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Annotated, Any, Generic, NamedTuple, Optional, TypedDict, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

import pydantic

from flux import ExecutionContext, task, workflow
from flux.errors import ExecutionError, RetryError
from flux.tasks import pause

T = TypeVar("T")
BERLIN = ZoneInfo("Europe/Berlin")


class Colour(enum.Enum):
    RED = "red"
    PAIR = (1, 2)


class Name(enum.StrEnum):
    ADA = "ada"


class Level(enum.IntEnum):
    LOW = 1


class Bits(enum.Flag):
    READ = 1
    WRITE = 2


class Point(NamedTuple):
    x: int
    y: int = 0


@dataclasses.dataclass
class Line:
    article: str
    amount: Decimal
    due: date | None = None


@dataclasses.dataclass(frozen=True)
class Frozen:
    key: tuple[int, str]


@dataclasses.dataclass(slots=True)
class Slotted:
    when: datetime
    tags: set[str] = dataclasses.field(default_factory=set)


@dataclasses.dataclass
class Order:
    id: UUID
    lines: list[Line]
    colour: Colour = Colour.RED


class Customer(pydantic.BaseModel):
    name: str
    born: date
    home: Path = Path("/home")
    limits: dict[str, Decimal] = {}


class Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(strict=True)
    when: datetime
    tags: frozenset[str]


class Invoice(pydantic.BaseModel):
    customer: Customer
    lines: tuple[Line, ...]
    paid: Optional[datetime] = None  # noqa: UP045  # the older spelling is in use


class Page(pydantic.BaseModel, Generic[T]):
    items: list[T]
    next: T | None = None


class Address(TypedDict):
    street: str
    since: date


def even(value: int) -> int:
    if value % 2:
        raise ValueError("must be even")
    return value


Even = Annotated[int, pydantic.AfterValidator(even)]


class Plain:
    """Only dill carries it."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return type(other) is Plain and other.value == self.value

    __hash__ = None  # type: ignore[assignment]  # equal and changeable


class Refused(Exception):
    def __init__(self, amount: int, *, reason: str) -> None:
        super().__init__(f"{amount} refused: {reason}")
        self.amount = amount
        self.reason = reason


def caught(error: BaseException, cause: BaseException | None = None) -> BaseException:
    try:
        raise error from cause
    except BaseException as raised:
        return raised


def with_context() -> BaseException:
    try:
        try:
            raise KeyError("first")
        except KeyError:
            raise ValueError("while that was handled")  # noqa: B904  # the context is the point
    except ValueError as error:
        error.add_note("seen at the gate")
        return error


def not_valid() -> BaseException:
    try:
        Customer.model_validate({"name": 1, "born": "yesterday"})
    except pydantic.ValidationError as error:
        return error
    raise AssertionError


def frame() -> Any:
    """A data frame, where pandas is installed."""
    try:
        import pandas
    except ImportError:
        return None
    return pandas.DataFrame({"day": pandas.to_datetime(["2026-01-02", None]), "n": [1, 2]}, index=["a", "b"])


def same(left: Any, right: Any) -> bool:
    """Equal, and of the same types all the way down."""
    if type(left) is not type(right):
        return False
    if isinstance(left, BaseException):
        return same(_described(left), _described(right))
    if isinstance(left, list | tuple):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        return list(left) == list(right) and all(same(left[key], right[key]) for key in left)
    if dataclasses.is_dataclass(left):
        return all(same(getattr(left, one.name), getattr(right, one.name)) for one in dataclasses.fields(left))
    if isinstance(left, pydantic.BaseModel):
        return same(vars(left), vars(right))
    if isinstance(left, datetime | time):
        return (left.isoformat(), left.fold, _zone(left)) == (right.isoformat(), right.fold, _zone(right))
    if isinstance(left, float):
        return repr(left) == repr(right)
    return left.equals(right) if hasattr(left, "equals") else left == right


def _zone(moment: datetime | time) -> Any:
    return getattr(moment.tzinfo, "key", None)


def _described(error: BaseException) -> list[Any]:
    linked = [error.__cause__, None if error.__cause__ else error.__context__, *getattr(error, "exceptions", ())]
    notes = list(getattr(error, "__notes__", ()))
    lines = [(line["loc"], line["type"], line["msg"]) for line in error.errors()] if hasattr(error, "errors") else []
    return [str(error), list(error.args), getattr(error, "reason", None), notes, lines, linked]


_LINES = [Line("tea", Decimal("2.50"), date(2026, 1, 2)), Line("cup", Decimal(3))]
_CUSTOMER = {"name": "Ada", "born": date(1815, 12, 10), "limits": {"day": Decimal("99.90")}}

TYPED: dict[str, tuple[Any, Any]] = {
    "datetime": (datetime, datetime(2026, 1, 2, 3, 4, 5, 678)),
    "datetime-utc": (datetime, datetime(2026, 1, 2, 3, tzinfo=UTC)),
    "date": (date, date(2026, 1, 2)),
    "time": (time, time(3, 4, 5)),
    "timedelta": (timedelta, timedelta(days=-1, seconds=5, microseconds=7)),
    "uuid": (UUID, UUID(int=7)),
    "decimal": (Decimal, Decimal("1.10")),
    "bytes": (bytes, b"\x00\xffab"),
    "complex": (complex, 1 + 2j),
    "set": (set[int], {1, 2}),
    "frozenset": (frozenset[str], frozenset({"a", "b"})),
    "tuple": (tuple[int, str], (1, "a")),
    "namedtuple": (Point, Point(1, 2)),
    "path": (Path, Path("/srv/data.csv")),
    "enum": (Colour, Colour.RED),
    "str-enum": (Name, Name.ADA),
    "int-enum": (Level, Level.LOW),
    "flag": (Bits, Bits.READ | Bits.WRITE),
    "dataclass": (Line, _LINES[0]),
    "frozen": (Frozen, Frozen((1, "a"))),
    "slots": (Slotted, Slotted(datetime(2026, 1, 2, tzinfo=UTC), {"a"})),
    "nested": (Order, Order(UUID(int=1), _LINES)),
    "model": (Customer, Customer(**_CUSTOMER)),
    "strict": (Strict, Strict(when=datetime(2026, 1, 2), tags=frozenset({"x"}))),
    "models": (Invoice, Invoice(customer=Customer(**_CUSTOMER), lines=tuple(_LINES), paid=None)),
    "generic": (Page[Customer], Page[Customer](items=[Customer(**_CUSTOMER)], next=None)),
    "list-of-models": (list[Customer], [Customer(**_CUSTOMER)]),
    "dict-of-dates": (dict[str, date], {"a": date(2026, 1, 2)}),
    "optional": (Customer | None, Customer(**_CUSTOMER)),
    "none": (Optional[Line], None),  # noqa: UP045  # the older spelling is in use
    "typed-dict": (Address, {"street": "Main St", "since": date(2020, 5, 6)}),
    "typed-dicts": (list[Address] | None, [{"street": "Main St", "since": date(2020, 5, 6)}]),
    "annotated": (Even, 4),
    "annotated-inside": (list[Even], [2, 4]),
    "literal": (typing.Literal["a", "b"], "b"),
    "any": (Any, {"a": [1, 2.5, None, True, "ü"]}),
}
"""Values with a type that pydantic builds from JSON."""

UNTYPED: dict[str, Any] = {
    "zone": datetime(2025, 10, 26, 2, 30, tzinfo=BERLIN, fold=1),
    "offset": datetime(2026, 1, 2, tzinfo=timezone(timedelta(hours=5, minutes=45))),
    "time-with-zone": time(3, tzinfo=BERLIN),
    "bytearray": bytearray(b"ab"),
    "nan": math.nan,
    "huge": 10**400,
    "pure-paths": [PurePosixPath("a/b"), PureWindowsPath("c:\\x")],
    "odd-enum": Colour.PAIR,
    "odd-keys": {1: "a", (2, 3): "b", "$": None},
    "mixture": {"when": [datetime(2026, 1, 2, tzinfo=UTC)], "who": (Frozen((1, "x")), {Point(1)})},
    "own-class": Plain({"deep": [Plain(1), date(2026, 1, 2)]}),
    "array": array.array("d", [1.5, 2.5]),
    "counter": collections.Counter("aab"),
    "range": range(3),
    "data-frame": frame(),
}
"""Values that come from code only."""

ERRORS: dict[str, Callable[[], BaseException]] = {
    "error": lambda: Refused(3, reason="limit"),
    "error-with-cause": lambda: caught(Refused(3, reason="limit"), caught(KeyError("k"), OSError(2, "none", "f"))),
    "error-with-context": with_context,
    "error-group": lambda: ExceptionGroup("many", [ValueError(1), ExceptionGroup("in", [Refused(2, reason="r")])]),
    "validation-error": not_valid,
    "error-of-a-task": lambda: RetryError(caught(Refused(1, reason="r")), 3, 1, 2),
}
"""Made anew each time: raising an exception changes it."""

VALUES = [*TYPED, *UNTYPED, *ERRORS]


def value_of(name: str) -> Any:
    if name in ERRORS:
        return ERRORS[name]()
    return TYPED[name][1] if name in TYPED else UNTYPED[name]


@task
async def make(name: str) -> Any:
    return value_of(name)


@task
async def echo(value: Any) -> Any:
    return value


@task
async def fail(name: str) -> None:
    raise value_of(name)


def require(found: Any, expected: Any) -> None:
    if not same(found, expected):
        raise AssertionError(f"{found!r} ({type(found)}) is not {expected!r} ({type(expected)})")


@workflow
async def carry(ctx: ExecutionContext[str]) -> Any:
    """A value as output and argument of tasks, shown by a pause and, after replay, as output of the workflow."""
    expected = value_of(ctx.input)
    made = await make(ctx.input)
    echoed = await echo(made)
    await pause("look", output=made)
    require(made, expected)
    require(echoed, expected)
    return made


@workflow
async def fails(ctx: ExecutionContext[str]) -> Any:
    """An exception that a task raises, caught before and after replay."""
    expected = value_of(ctx.input)
    try:
        await fail(ctx.input)
    except ExecutionError as error:
        await pause("look")
        require(error.inner_exception, expected)
        raise


@workflow
async def ask(ctx: ExecutionContext[str]) -> Any:
    """A value as the answer to a pause, typed where it can be; used, then replayed."""
    typed = ctx.input in TYPED
    answer = await pause("value", schema=TYPED[ctx.input][0] if typed else None)
    require(answer, value_of(ctx.input))
    await pause("again")
    require(answer, value_of(ctx.input))
    return answer


@workflow
async def take(ctx: ExecutionContext[Any]) -> Any:
    """Any value as input, as it comes."""
    await pause("look")
    return ctx.input


def _taking(kind: Any, name: str) -> Any:
    @workflow.with_options(name=f"take-{name}")
    async def body(ctx: ExecutionContext[kind]) -> Any:
        require(ctx.input, value_of(name))
        await pause("look")
        require(ctx.input, value_of(name))
        return ctx.input

    return body


TAKING = {name: _taking(kind, name) for name, (kind, _) in TYPED.items()}
globals().update({f"take_{name.replace('-', '_')}": found for name, found in TAKING.items()})
