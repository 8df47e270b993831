"""Finds the values of secrets in data and text, however they are written, and hides them."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

HIDDEN = "•••"
SHORTEST = 6
"""Characters below which a value is not looked for: it would be found everywhere."""
_LINE = 16
"""Characters from which a line of a longer value counts as a value of its own: output is cut into lines."""
_BASE64 = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_=".decode())
_URLSAFE = str.maketrans("+/", "-_")


@dataclass(frozen=True, slots=True)
class _Form:
    """One way to write a value.

    Attributes:
        encoded: it is base64, whose letters around it carry bits of the value too.
    """

    value: str
    text: str
    encoded: bool = False


class Redactor:
    """Knows values that nobody may see.

    A value is recognised as it is, escaped as in JSON or in Python's `repr`, URL-encoded, and base64-encoded wherever
    it stands in what was encoded. Values are learned and never forgotten: one that was replaced may still be in use.

    Example:
        >>> redactor = Redactor()
        >>> redactor.learn(["hunter2!"])
        >>> redactor.redact("GET /?token=hunter2%21"), redactor.found(b'{"n":1}')
        ('GET /?token=•••', [])

    Attributes:
        active: whether it knows any value; nothing needs to be looked at as long as it does not.
    """

    def __init__(self, values: Iterable[str] = ()) -> None:
        self.active = False
        self._values: frozenset[str] = frozenset()
        self._forms: tuple[_Form, ...] = ()
        self._needles: tuple[tuple[bytes, str], ...] = ()
        self.learn(values)

    def learn(self, values: Iterable[str]) -> None:
        """Hide these values from now on; those that are too short are left alone."""
        new = {value for value in values if len(value.strip()) >= SHORTEST} - self._values
        if not new:
            return
        forms = {*self._forms, *(form for value in new for form in _forms(value))}
        # The longest first: a value may stand inside another one.
        self._forms = tuple(sorted(forms, key=lambda form: -len(form.text)))
        self._needles = tuple((_bytes(form.text), form.value) for form in self._forms)
        self._values |= new
        self.active = True

    def found(self, data: bytes) -> list[str]:
        """The values that are in there, in whatever form."""
        return sorted({value for needle, value in self._needles if needle in data})

    def redact(self, text: str) -> str:
        """The text with `•••` in place of the values."""
        for form in self._forms:
            if form.text in text:
                text = _without(text, form.text) if form.encoded else text.replace(form.text, HIDDEN)
        return text

    def redacted(self, plain: Any) -> Any:
        """Plain JSON with `•••` in place of the values in its texts, and of the numbers that contain one."""
        if isinstance(plain, str):
            return self.redact(plain)
        if isinstance(plain, list):
            return [self.redacted(item) for item in plain]
        if isinstance(plain, dict):
            return {self.redact(key): self.redacted(item) for key, item in plain.items()}
        return HIDDEN if self.redact(str(plain)) != str(plain) else plain


def _forms(value: str) -> set[_Form]:
    bare = value.strip()
    texts = {value, bare} | _escaped(value) | _escaped(bare) | _quoted(bare)
    texts |= {text for other in _escaped(bare) for text in _quoted(other)}
    cores = {core for text in (bare, *_json(bare)) for core in _cores(text)}
    # Bytes are stored in base64, and may be the base64 of something themselves.
    cores |= {core for text in _cores(bare) for core in _cores(text)}
    cores |= {core.replace("/", "\\/") for core in cores}
    texts |= {text for other in texts for text in _json(other)}
    for line in _lines(value):
        texts |= {line, *_json(line)}
    return {_Form(value, text) for text in texts} | {_Form(value, core, True) for core in cores}


def _lines(value: str) -> set[str]:
    """Lines that are met alone, because output is cut into lines; not those that begin and end every key file."""
    lines = value.splitlines() if "\n" in value.strip() else []
    return {line.strip() for line in lines if len(line.strip()) >= _LINE and not line.startswith("-----")}


def _json(text: str) -> set[str]:
    """As JSON writes it between quotes."""
    plainly = json.dumps(text, ensure_ascii=False)[1:-1]
    return {plainly, json.dumps(text)[1:-1], plainly.replace("/", "\\/")}


def _escaped(text: str) -> set[str]:
    """As JSON and Python write it between quotes."""
    return {*_json(text), repr(text)[1:-1], ascii(text)[1:-1], repr(_bytes(text))[2:-1]}


def _quoted(text: str) -> set[str]:
    """As it stands in addresses and forms: which characters are left alone differs."""
    from urllib.parse import quote, quote_plus  # only those who have something to hide need it

    data = _bytes(text)
    forms = {quote(data, safe=""), quote(data), quote_plus(data), quote(data, safe="!'()*~")}
    return forms | {_lower(form) for form in forms}


def _lower(quoted: str) -> str:
    """With the hexadecimal digits in lower case."""
    first, *rest = quoted.split("%")
    return "%".join([first, *(part[:2].lower() + part[2:] for part in rest)])


def _cores(text: str) -> set[str]:
    """The base64 letters that depend on the text alone, at each of the three places it may have among the bytes."""
    data = _bytes(text)
    found = set()
    for shift, start in enumerate((0, 2, 3)):
        core = base64.b64encode(b"\0" * shift + data).decode()[start : (shift + len(data)) * 8 // 6]
        found |= {core, core.translate(_URLSAFE)}
    return found


def _without(text: str, core: str) -> str:
    """The text with `•••` in place of the base64 around the core."""
    done, rest = "", text
    while (at := rest.find(core)) >= 0:
        start, end = at, at + len(core)
        while start and rest[start - 1] in _BASE64:
            start -= 1
        while end < len(rest) and rest[end] in _BASE64:
            end += 1
        done, rest = done + rest[:start] + HIDDEN, rest[end:]
    return done + rest


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
