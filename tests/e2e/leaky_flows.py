"""A workflow that carries secrets wherever it can."""

import base64
import json
import logging
import os
import subprocess
import sys
from urllib.parse import quote

from pydantic import BaseModel

from flux import task, workflow
from flux.output_storage import LocalFileStorage
from flux.tasks import Graph, call, parallel, pause, progress

NAMES = ["PLAIN", "ODD", "SHORT", "PEM"]


class Answer(BaseModel):
    key: str


class Odd:
    """What JSON does not carry."""

    def __init__(self, text):
        self.text = text
        self.call = lambda: text

    def __repr__(self):
        return f"Odd({self.text})"


def written(value):
    """The ways to write a text."""
    data = value.encode()
    yield from (value, json.dumps(value), repr(value), quote(value, safe=""), quote(value), data)
    for before in (b"", b"a", b"ab"):
        yield base64.b64encode(before + data)
        yield base64.urlsafe_b64encode(before + data).decode()


@task.with_options(secret_requests=NAMES, cache=True)
async def reveal(name, secrets):
    return {"all": list(written(secrets[name])), "nested": [({secrets[name]: 1},)], "odd": Odd(secrets[name])}


@task.with_options(secret_requests=NAMES, output_storage=LocalFileStorage())
def reveal_to_a_file(name, secrets):
    return secrets[name]


@task.with_options(name="takes_{value}")
async def takes(value):
    await progress({"value": value})
    return value


def fall_back(value, secrets):
    return [value, secrets]


@task.with_options(secret_requests=NAMES, retry_max_attempts=1, retry_delay=0, fallback=fall_back)
async def fails(value, secrets):
    try:
        raise KeyError(value)
    except KeyError as error:
        raise ValueError(f"no {value} among {secrets}") from error


@task
def prints(value):
    print(value)
    print("in", value, "pieces")
    print(f"to stderr {value!r}", file=sys.stderr)
    logging.getLogger("shop").warning("logged %s", value)
    try:
        raise RuntimeError(value)
    except RuntimeError:
        logging.getLogger("shop").exception("raised")
    os.write(1, f"\npast Python {value}\n".encode())
    subprocess.run(["echo", f"from a child {value}"], check=True)


@workflow
async def child(ctx):
    return ctx.input


@workflow
async def leaky(ctx):
    found = {name: (await reveal(name))["all"] for name in NAMES}
    for name in NAMES:
        value = found[name][0]
        await reveal_to_a_file(name)
        await parallel(takes(value), takes([value]), *(takes(form) for form in found[name]))
        await Graph(f"of {value}").add_node("takes", takes).start_with("takes").end_with("takes")(value)
        await fails(value)
        await prints(value)
        await call(child, {"value": value})
    print("the last line")
    key = found["PLAIN"][0]
    answer = await pause(f"about {key}", output=found, schema=Answer)
    raise ValueError(f"the end: {answer.key}, {found}")
