import subprocess
import sys

import pytest

from flux.config import Configuration, load_settings
from flux.errors import ConfigurationError


def test_there_is_one_configuration():
    assert Configuration.get() is Configuration.get()


def test_an_override_reaches_everything_that_reads_settings(monkeypatch):
    monkeypatch.setenv("FLUX_SERVER_PORT", "1")
    configuration = Configuration.get()
    configuration.override(server_port=2, workers={"retry_delay": 3})
    configuration.override(workers__retry_attempts=4)
    assert configuration.settings == load_settings()
    assert configuration.settings.server_port == 2
    assert (configuration.settings.workers.retry_delay, configuration.settings.workers.retry_attempts) == (3, 4)
    assert load_settings({"server_port": 5}).server_port == 5
    configuration.reset()
    assert configuration.settings.server_port == 1


def test_reload_reads_the_sources_and_keeps_overrides(folder):
    configuration = Configuration.get()
    configuration.override(debug=True)
    (folder / "flux.toml").write_text("[flux]\nserver_port = 6\ndebug = false\n")
    assert configuration.settings.server_port == 8000
    configuration.reload()
    assert (configuration.settings.server_port, configuration.settings.debug) == (6, True)


def test_a_wrong_override_changes_nothing():
    configuration = Configuration.get()
    configuration.override(server_port=2)
    with pytest.raises(ConfigurationError, match=r"serializer is 'x' \(Configuration\.override\)"):
        configuration.override(serializer="x", server_port=3)
    assert configuration.settings.server_port == load_settings().server_port == 2


def test_the_package_alone_imports_no_pydantic():
    code = "import sys, flux.config; sys.exit('pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    with pytest.raises(ImportError):
        from flux.config import Nothing  # noqa: F401
