import pytest

from flux.security import is_loopback, refusal


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "127.8.8.8", "::1", "[::1]"])
def test_loopback(host):
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "", "10.0.0.1", "example.org", "127.0.0.1.example.org", "localhost.x"]
)
def test_not_loopback(host):
    assert not is_loopback(host)


@pytest.mark.parametrize("host", ["localhost", "localhost:8000", "127.0.0.1:8000", "[::1]:8000", "LocalHost:1"])
@pytest.mark.parametrize("origin", [None, "http://localhost:3000", "http://127.0.0.1", "http://[::1]:8000"])
def test_requests_meant_for_us(host, origin):
    assert refusal(host, origin) == ""


@pytest.mark.parametrize(
    "host", ["", "evil.example", "localhost.evil.example:8000", "evil.example@x", "[::1", "localhost@evil.example"]
)
def test_foreign_hosts(host):
    assert refusal(host, None) == f"Host '{host}' is not this server."


@pytest.mark.parametrize(
    "origin", ["", "null", "https://evil.example", "http://localhost.evil.example", "http://[", "x"]
)
def test_foreign_origins(origin):
    assert refusal("localhost:8000", origin) == f"Origin '{origin}' may not call this server."


def test_further_names_of_a_server():
    assert refusal("flux.internal", None, {"flux.internal"}) == ""
    assert refusal("localhost", None, {"flux.internal"})
