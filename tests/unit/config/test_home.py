import multiprocessing
import stat
import subprocess
import sys

import pytest

from flux.config.home import Home, derive_key
from flux.errors import ConfigurationError


def _token(path):
    home = Home(path)
    return home.bootstrap_token(), home.signing_key()


def test_nothing_is_made_before_it_is_needed(tmp_path):
    Home(tmp_path / "home")
    assert not (tmp_path / "home").exists()


def test_a_home_keeps_itself_out_of_git(tmp_path):
    home = Home(tmp_path / "deep" / "home").create()
    assert (home.path / ".gitignore").read_text() == "*\n"


def test_creating_twice_keeps_what_is_there(tmp_path):
    home = Home(tmp_path).create()
    (tmp_path / ".gitignore").write_text("mine\n")
    home.create()
    assert (tmp_path / ".gitignore").read_text() == "mine\n"


def test_keys_are_generated_once(tmp_path):
    assert _token(tmp_path) == _token(tmp_path)
    assert len(Home(tmp_path).signing_key()) == 32


def test_two_homes_have_different_keys(tmp_path):
    first, second = _token(tmp_path / "a"), _token(tmp_path / "b")
    assert first[0] != second[0]
    assert first[1] != second[1]


def test_keys_are_for_their_owner_only(tmp_path):
    _token(tmp_path / "home")
    for name in ("bootstrap-token", "signing-key"):
        assert stat.S_IMODE((tmp_path / "home" / name).stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "home").stat().st_mode) == 0o700


def test_no_drafts_are_left(tmp_path):
    _token(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {".gitignore", ".lock", "bootstrap-token", "signing-key"}


def test_processes_that_ask_at_once_get_the_same_keys(tmp_path):
    with multiprocessing.get_context("fork").Pool(8) as pool:
        answers = pool.map(_token, [tmp_path / "home"] * 32, chunksize=1)
    assert len(set(answers)) == 1


def test_a_draft_that_a_crash_left_is_no_obstacle(tmp_path):
    import os

    (tmp_path / f".signing-key.{os.getpid()}").write_text("half")
    assert len(Home(tmp_path).signing_key()) == 32


@pytest.mark.parametrize("ask", [Home.create, Home.bootstrap_token, Home.signing_key])
def test_a_home_that_cannot_be_made_is_named(tmp_path, ask):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="file/home") as caught:
        ask(Home(tmp_path / "file" / "home"))
    assert "FLUX_HOME" in caught.value.hint


def test_an_empty_or_strange_key_is_named(tmp_path):
    (tmp_path / "signing-key").write_text("\n")
    with pytest.raises(ConfigurationError, match=r"signing-key' is empty"):
        Home(tmp_path).signing_key()
    (tmp_path / "signing-key").write_text("not hex\n")
    with pytest.raises(ConfigurationError, match="does not hold a key"):
        Home(tmp_path).signing_key()


def test_keys_of_a_home_that_cannot_be_written_are_still_read(tmp_path):
    token = Home(tmp_path).bootstrap_token()
    tmp_path.chmod(0o500)
    try:
        assert Home(tmp_path).bootstrap_token() == token
    finally:
        tmp_path.chmod(0o700)


def test_derived_keys_differ_by_purpose():
    assert derive_key("secret", "a") != derive_key("secret", "b")
    assert derive_key("secret", "a") == derive_key("secret", "a")
    assert len(derive_key("x", "")) == 32


def test_a_home_needs_no_pydantic():
    code = "import sys, flux.config.home; sys.exit('pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
