"""What a worker says of its machine."""

from __future__ import annotations

import importlib.metadata
import platform

import pytest

from flux.errors import UsageError
from flux.worker import facts
from flux.worker.agent import Agent


def test_packages_agree_with_their_metadata():
    found = facts.packages()
    for name in ("msgspec", "pytest-asyncio"):
        assert found[name] == importlib.metadata.version(name)


def test_runtime_and_resources_are_filled():
    assert facts.runtime()["python_version"] == platform.python_version()
    resources = facts.resources()
    assert resources["cpu_available"] >= 1
    assert resources["memory_total"] > resources["memory_available"] > 0
    assert resources["disk_total"] > 0


async def test_names_with_a_slash_are_refused(port):
    with pytest.raises(UsageError, match="cannot name a worker"):
        Agent(port, name="a/b")
