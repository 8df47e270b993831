"""Encryption of what must not be readable in the database: AES-GCM under a key derived for one purpose."""

from __future__ import annotations

import functools
import hashlib
import hmac
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from flux.errors import WrongKeyError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_ID = 4
_NONCE = 12


class Seal:
    """Encrypts bytes, and opens what was encrypted under the same key for the same purpose.

    The text carries the id of its key, so that a wrong one is recognised as such. The key is asked for when it is
    first needed, derived once, and kept.

    Args:
        key: of any length, or what gives it.
        purpose: texts of one purpose cannot be opened for another.

    Example:
        >>> seal = Seal(b"key", "doctest")
        >>> seal.open(seal.seal(b"text"), "A text")
        b'text'
    """

    def __init__(self, key: bytes | Callable[[], bytes], purpose: str) -> None:
        self._key = key
        self._purpose = purpose

    def seal(self, text: bytes, about: bytes = b"", *, repeatable: bool = False) -> bytes:
        """The text encrypted.

        Args:
            about: what the text belongs to; it is opened with the same only.
            repeatable: equal texts are sealed equally, which shows that they are equal.
        """
        nonce = self._nonce_of(text, about) if repeatable else os.urandom(_NONCE)
        return self._id + nonce + self._cipher.encrypt(nonce, text, about)

    def open(self, sealed: bytes, what: str, about: bytes = b"") -> bytes:
        """The text again. Raises `WrongKeyError`, in which `what` names it."""
        from cryptography.exceptions import InvalidTag

        found, nonce, text = sealed[:_ID], sealed[_ID : _ID + _NONCE], sealed[_ID + _NONCE :]
        if found != self._id:
            raise WrongKeyError(
                f"{what} was encrypted with key {found.hex()}, which is missing here: this is key {self.key_id}."
            )
        try:
            return self._cipher.decrypt(nonce, text, about)
        except InvalidTag:
            raise WrongKeyError(f"{what} is damaged: key {self.key_id} does not open it.") from None

    @property
    def key_id(self) -> str:
        """Tells keys apart, and nothing about them: 8 hex digits."""
        return self._id.hex()

    def _nonce_of(self, text: bytes, about: bytes) -> bytes:
        """Depends on all of the text: no other one is ever encrypted with it."""
        return hmac.new(self._derived, b"%d:%b%b" % (len(about), about, text), hashlib.sha256).digest()[:_NONCE]

    @functools.cached_property
    def _derived(self) -> bytes:
        key = self._key if isinstance(self._key, bytes) else self._key()
        return hmac.new(key, self._purpose.encode(), hashlib.sha256).digest()

    @functools.cached_property
    def _id(self) -> bytes:
        return hashlib.blake2b(self._derived, digest_size=_ID).digest()

    @functools.cached_property
    def _cipher(self) -> AESGCM:
        # Loaded by those who have something to hide only: it takes longer than a whole short run.
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        return AESGCM(self._derived)
