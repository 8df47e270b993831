import pytest

from flux.errors import UnauthorizedError
from flux.security import Tokens, bearer, new_token, same


@pytest.fixture
def tokens():
    return Tokens("b00t", b"key")


def test_tokens_are_random_and_fit_into_headers():
    made = {new_token() for _ in range(100)}
    assert len(made) == 100
    assert all(token.isascii() and token.isprintable() and " " not in token for token in made)


@pytest.mark.parametrize(
    ("given", "expected", "equal"),
    [("a", "a", True), ("a", "b", False), ("", "", False), ("", "a", False), ("a", "", False), ("ü\ud800", "a", False)],
)
def test_comparison(given, expected, equal):
    assert same(given, expected) is equal


@pytest.mark.parametrize(
    ("header", "token"),
    [("Bearer abc", "abc"), ("bearer  abc ", "abc"), ("Basic abc", ""), ("Bearer", ""), ("", ""), (None, "")],
)
def test_bearer_headers(header, token):
    assert bearer(header) == token


def test_the_bootstrap_token_admits(tokens):
    tokens.check_bootstrap("b00t")


@pytest.mark.parametrize(("token", "message"), [("", "missing"), ("other", "wrong")])
def test_anything_else_does_not(tokens, token, message):
    with pytest.raises(UnauthorizedError, match=message) as caught:
        tokens.check_bootstrap(token)
    assert "FLUX_WORKERS__BOOTSTRAP_TOKEN" in caught.value.hint


def test_without_a_bootstrap_token_nobody_is_admitted():
    with pytest.raises(UnauthorizedError):
        Tokens("", b"key").check_bootstrap("")


def test_sessions_are_of_one_worker(tokens):
    token = tokens.issue("gpu-1")
    tokens.check("gpu-1", token)
    with pytest.raises(UnauthorizedError, match="gpu-2"):
        tokens.check("gpu-2", token)


@pytest.mark.parametrize("token", ["", ".", "b00t", "0011223344556677.", "0011223344556677." + "0" * 64, "\ud800.x"])
def test_made_up_sessions_are_refused(tokens, token):
    with pytest.raises(UnauthorizedError, match="gpu-1"):
        tokens.check("gpu-1", token)


def test_sessions_outlive_a_restart_and_end_with_the_key(tokens):
    token = tokens.issue("gpu-1")
    Tokens("b00t", b"key").check("gpu-1", token)
    with pytest.raises(UnauthorizedError):
        Tokens("b00t", b"another").check("gpu-1", token)


def test_each_session_is_new(tokens):
    assert tokens.issue("gpu-1") != tokens.issue("gpu-1")


def test_names_and_nonces_cannot_be_shifted_into_each_other(tokens):
    nonce, proof = tokens.issue("b").split(".")
    with pytest.raises(UnauthorizedError):
        tokens.check("a\nb", f"{nonce[:-2]}.{proof}")


def test_secrets_do_not_show(tokens):
    assert "b00t" not in repr(tokens)
    assert "key=" not in repr(tokens)
