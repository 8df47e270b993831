import os

import pytest

from flux.config import Configuration
from flux.config.loading import _warned


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty working folder, and nothing of Flux in the environment."""
    for name in [name for name in os.environ if name.startswith("FLUX_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    Configuration.get().reset()
    _warned.clear()
    yield tmp_path
    Configuration.get().reset()
