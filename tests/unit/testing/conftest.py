"""An environment for each test, made without the plug-in: it is tested here too."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from flux.testing import FluxEnv


@pytest.fixture
def env() -> Iterator[FluxEnv]:
    with FluxEnv() as env:
        yield env
