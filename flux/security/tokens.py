"""Tokens of workers: one bootstrap token in, one session token per worker out."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field

from flux.errors import UnauthorizedError

_BYTES = 32


def new_token() -> str:
    """A random token that can stand in a header."""
    return secrets.token_urlsafe(_BYTES)


def same(given: str, expected: str) -> bool:
    """Whether two tokens are equal, in a time that tells nothing about where they differ; empty ones never are."""
    return bool(expected) and hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())


def bearer(authorization: str | None) -> str:
    """The token in an `Authorization: Bearer …` header; "" when there is none.

    Example:
        >>> bearer("Bearer abc")
        'abc'
    """
    scheme, _, token = (authorization or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


@dataclass(frozen=True, slots=True)
class Tokens:
    """Checks the tokens of workers and issues their session tokens.

    A session token is random and carries its own proof, so it outlives a restart of the server: workers
    need not register again.

    Attributes:
        bootstrap: what a worker has to show to register. key: signs session tokens.

    Example:
        >>> tokens = Tokens("b00t", b"key")
        >>> tokens.check("gpu-1", tokens.issue("gpu-1"))
    """

    bootstrap: str = field(repr=False)
    key: bytes = field(repr=False)

    def check_bootstrap(self, token: str) -> None:
        """Raise `UnauthorizedError` unless this is the bootstrap token."""
        if not same(token, self.bootstrap):
            raise UnauthorizedError(
                "The bootstrap token is wrong." if token else "The bootstrap token is missing.",
                hint="The server keeps its token in its home; set FLUX_WORKERS__BOOTSTRAP_TOKEN on the worker.",
            )

    def issue(self, worker: str) -> str:
        """A new session token of a worker."""
        nonce = secrets.token_hex(8)
        return f"{nonce}.{self._proof(worker, nonce)}"

    def check(self, worker: str, token: str) -> None:
        """Raise `UnauthorizedError` unless this is a session token of this worker."""
        nonce, _, proof = token.partition(".")
        if not same(proof, self._proof(worker, nonce)):
            raise UnauthorizedError(
                f"Worker '{worker}' has no session with this token.", hint="Register again with the bootstrap token."
            )

    def _proof(self, worker: str, nonce: str) -> str:
        text = f"flux session\n{nonce}\n{worker}".encode("utf-8", "replace")
        return hmac.new(self.key, text, hashlib.sha256).hexdigest()
