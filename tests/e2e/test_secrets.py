"""No secret leaves the runner: a workflow carries some to every place it can reach, and everything is searched.

The search shares no code with what hides them: it reads data as others would, instead of writing secrets as they may.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import html
import json
import re
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import unquote_plus

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flux import task, workflow
from flux.codec import HIDDEN
from flux.config import Settings
from flux.errors import ExecutionError
from flux.server.app import create_app
from flux.store import Store
from flux.tasks import parallel
from flux.testing import FluxEnv
from flux.worker.agent import Agent

FLOWS = Path(__file__).with_name("leaky_flows.py")
PATIENCE = 60.0
SECRETS = {
    "PLAIN": "sk-live-4eC39HqLyjWDarjtT1zdp7dc",
    "ODD": 'p"a\\ss/w\u00f6rd <&> %41 \U0001f511',
    "SHORT": "Xy7!qz",
    "PEM": "--BEGIN KEY--\nMIIEpAIBAAKCAQEA0Z3VS5JJcds3xfn/ygWyF8P\nBiLlJjfCKzhVjVGYCbuXYwfQpRkUwnYs\n--END KEY--",
}
_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{8,}")


def readings(data: bytes, depth: int = 3) -> set[bytes]:
    """The data, and what those read who decode what is in it."""
    found = {data}
    if depth:
        text = data.decode("utf-8", "ignore")
        others = {unquote_plus(text), html.unescape(text)}
        with contextlib.suppress(ValueError):
            plain = re.sub(r"\\(u[0-9a-f]{4}|.)", _unescaped, text, flags=re.S)
            others.add(plain.encode("utf-16", "surrogatepass").decode("utf-16", "ignore"))
        found |= {
            one for other in others if other != text for one in readings(other.encode("utf-8", "ignore"), depth - 1)
        }
        decoded = b"\0".join(_decoded(data))
        if decoded:
            found |= readings(decoded, depth - 1)
    return found


def _unescaped(match: re.Match[str]) -> str:
    letter = match[1]
    if len(letter) == 5:
        return chr(int(letter[1:], 16))
    return {"n": "\n", "t": "\t", "r": "\r"}.get(letter, letter)


def _decoded(data: bytes) -> list[bytes]:
    parts = []
    for match in _BASE64.finditer(data):
        run = match[0].translate(bytes.maketrans(b"-_", b"+/"))
        for start in range(4):
            part = run[start:]
            with contextlib.suppress(binascii.Error):
                parts.append(base64.b64decode(part + b"A" * (-len(part) % 4)))
    return parts


def leaks(data: bytes, secrets: dict[str, str] = SECRETS) -> set[str]:
    """Names of the secrets that can be read in the data."""
    wanted = {name: value.encode() for name, value in secrets.items()}
    for line in secrets.get("PEM", "").splitlines()[1:-1]:
        wanted[f"PEM {line}"] = line.encode()
    return {name for reading in readings(data) for name, value in wanted.items() if value in reading}


@pytest.mark.parametrize(
    "write",
    [
        lambda value: value,
        lambda value: json.dumps({"a": json.dumps(value)}),
        lambda value: "".join(f"%{byte:02x}" for byte in value.encode()),
        lambda value: base64.b64encode(b"x" + value.encode()).decode(),
        lambda value: json.dumps(base64.urlsafe_b64encode(b"xy" + value.encode()).decode()),
        lambda value: base64.b64encode(base64.b64encode(value.encode())).decode(),
    ],
)
def test_the_search_finds_what_is_there(write):
    for name, value in SECRETS.items():
        assert name in leaks(f"before {write(value)} after".encode())
        assert name not in leaks(f"before {write(value[:-1])}* after".encode())


class Place:
    """A server with one worker, and everything that it has answered."""

    def __init__(self, store: Store, client: httpx.AsyncClient, home: Path) -> None:
        self.store = store
        self.home = home
        self.answers: list[bytes] = []
        self._client = client

    async def get(self, path: str, **more: object) -> httpx.Response:
        return await self._keep(await self._client.get(path, **more))

    async def post(self, path: str, value: object = None, **more: object) -> httpx.Response:
        return await self._keep(await self._client.post(path, json=value, **more))

    async def _keep(self, response: httpx.Response) -> httpx.Response:
        self.answers.append(response.content)
        return response

    def stored(self) -> list[bytes]:
        """All files of the home, and every value of the database by itself: files hold them in pieces."""
        found = [path.read_bytes() for path in self.home.rglob("*") if path.is_file()]
        with contextlib.closing(sqlite3.connect(self.home / "flux.db")) as database:
            for (table,) in database.execute("select name from sqlite_master where type = 'table'"):
                for row in database.execute(f"select * from {table}"):
                    found.append(b"\n".join(v if isinstance(v, bytes) else str(v).encode() for v in row))
        return found


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    settings = Settings(home=str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    store = await Store.open(settings.database_url, synchronous="normal", secrets_key=settings.secrets_key)
    app = create_app(settings, store)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(store.close)
        await stack.enter_async_context(app.router.lifespan_context(app))
        agent = Agent(
            app.state.services.port,
            name="w1",
            runner_processes=1,
            key=settings.signing_key(),
            home=settings.home,
            cwd=str(tmp_path),
        )
        working = asyncio.create_task(agent.run())
        stack.push_async_callback(lambda: working)
        stack.push_async_callback(agent.stop)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        client = httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=PATIENCE)
        await stack.enter_async_context(client)
        await app.state.services.presence.any_online(PATIENCE)
        assert (await client.post("/workflows", files={"file": ("flows.py", FLOWS.read_bytes())})).status_code < 300
        for name, value in SECRETS.items():
            assert (await client.post("/admin/secrets", json={"name": name, "value": value})).status_code == 200
        yield Place(store, client, tmp_path / "home")


async def test_no_secret_is_stored_answered_or_printed(place):
    started = (await place.post("/workflows/leaky/run/sync", {"given": SECRETS["PLAIN"]})).json()
    assert started["state"] == "PAUSED", started
    execution_id = started["execution_id"]
    waits = (await place.get(f"/executions/{execution_id}/pending")).json()
    refused = await place.post(f"/executions/{execution_id}/resume", {"key": 1, "more": SECRETS["ODD"]})
    assert refused.status_code == 422
    done = (await place.post(f"/executions/{execution_id}/resume?mode=sync", {"key": SECRETS["ODD"]})).json()
    assert done["state"] == "FAILED", done
    assert done["output"]["message"].startswith("the end: ")
    assert [wait["name"] for wait in waits] == [f"about {HIDDEN}"]

    stream = await place.post("/workflows/leaky/run/stream", {"given": 1})
    assert HIDDEN in json.dumps(
        [json.loads(line[6:]) for line in stream.text.splitlines() if line[:6] == "data: "], ensure_ascii=False
    )
    async with asyncio.timeout(PATIENCE):
        while "the last line" not in (await place.get("/logs")).text:
            await asyncio.sleep(0.02)
    for path in (
        "/executions",
        "/waits",
        "/workflows/leaky",
        f"/executions/{execution_id}?detailed=true",
        f"/executions/{execution_id}/events",
        f"/inspect/{execution_id}",
    ):
        await place.get(path)
    await place.get(f"/executions/{execution_id}/events", headers={"accept": "text/event-stream"})

    lines = [line["text"] for line in (await place.get("/logs?limit=1000")).json()["lines"]]
    assert sum(HIDDEN in line for line in lines) > 40
    for data in [*place.answers, *place.stored()]:
        assert leaks(data) == set(), data[:300]


words = st.text(st.characters(exclude_categories=("C", "Z")), min_size=3, max_size=10)
# With something between them that makes them a word of nobody else's, and hard to recognise.
values = st.tuples(words, st.sampled_from([*" \"'\\/%&+<=é🔑", "9Z7", "\\n", " \n"]), words).map("".join)
forms = st.sampled_from(
    [
        lambda value: value,
        lambda value: f"x{value}y",
        json.dumps,
        lambda value: json.dumps(value, ensure_ascii=False),
        lambda value: "".join(f"%{byte:02X}" if byte < 48 or byte > 126 else chr(byte) for byte in value.encode()),
        lambda value: base64.b64encode(value.encode()).decode(),
        lambda value: base64.urlsafe_b64encode(b"a" + value.encode()),
        lambda value: b"ab" + value.encode(),
        lambda value: {value: 1},
        lambda value: ValueError(value),
    ]
)
shapes = st.recursive(
    st.just("leaf"),
    lambda inner: st.one_of(
        st.tuples(st.just("list"), inner), st.tuples(st.just("tuple"), inner), st.tuples(st.just("dict"), inner)
    ),
    max_leaves=4,
)


def shaped(shape, leaf):
    if shape == "leaf":
        return leaf
    kind, inner = shape
    value = shaped(inner, leaf)
    return {"list": [value, 1], "tuple": (None, value), "dict": {"k": value, "n": 2}}[kind]


@task.with_options(secret_requests=["K"])
async def reveal(form, shape, secrets):
    return shaped(shape, form(secrets["K"]))


@task.with_options(retry_max_attempts=1, retry_delay=0)
async def fail(value):
    raise ValueError(value)


@workflow
async def carries(ctx):
    value = await reveal(*ctx.input)
    try:
        await parallel(fail(value), fail([value]))
    except ExecutionError:
        return [value]


def written_with(value, form, shape, file):
    """All that is stored of a run that carries the value."""
    with FluxEnv(secrets={"K": value}) as env:
        run = env.run(carries, [form, shape])
        assert run.output is not None, run.events
        run.save(file)
    return file.read_bytes()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=values, form=forms, shape=shapes)
def test_no_value_in_any_form_and_shape_is_written(tmp_path, value, form, shape):
    assert leaks(written_with(value, form, shape, tmp_path / "history.json"), {"K": value}) == set()
