"""Finds the values of secrets in data and text, however they are written, and hides them."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any

HIDDEN = "•••"
SHORTEST = 6
"""Characters below which a value is not looked for: it would be found everywhere."""
_LINE = 16
"""Characters from which a line of a longer value counts as a value of its own: output is cut into lines."""
_BEGINNING = 40
"""Letters of a longer value whose many ways to be written are looked for in data."""
_BASE64 = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_=")
_URLSAFE = str.maketrans("+/", "-_")
_ORDINARY = re.compile(r"[A-Za-z0-9._~-]+")
"""What every escaping leaves alone; but any letter may be URL-encoded."""
_CODE = re.compile(rb"%[0-9a-fA-F]{2}")
_PERCENT = "%(?:25)*"
_BACKSLASH = rf"(?:\\|{_PERCENT}5[cC])"
_SHORT_ESCAPES = {"\n": "n", "\r": "r", "\t": "t", "\b": "b", "\f": "f", "\0": "0", "\v": "v", "\a": "a"}
_ENTITIES = {"<": "lt", ">": "gt", "&": "amp", '"': "quot", "'": "apos|#39|#x27"}


class _Value:
    """A value, and the ways to write it.

    Attributes:
        secret: all of the value; `text` may be a part of it.
        odd: it has letters that are escaped.
        cores: what base64 always makes of it, longest first.
    """

    def __init__(self, secret: str, text: str, *, cores: bool = True) -> None:
        self.secret = secret
        self.text = text
        self.odd = _ORDINARY.fullmatch(text) is None
        self.cores = sorted(_all_cores(text), key=len, reverse=True) if cores else []

    @cached_property
    def beginning(self) -> re.Pattern[bytes]:
        """Matches where it begins, escaped and URL-encoded any number of times and in any mixture."""
        return re.compile(_bytes("".join(_pieces(self.text[:_BEGINNING]))))

    @cached_property
    def whole(self) -> re.Pattern[str]:
        """Matches all of it, likewise."""
        return re.compile("".join(_pieces(self.text)))

    def hide(self, text: str) -> str:
        """The text with `•••` in its place."""
        text = text.replace(self.text, HIDDEN)
        if self.beginning.search(_bytes(text)):
            text = self.whole.sub(HIDDEN, text)
        for core in self.cores:
            if core in text:
                text = _without(text, core)
        return text


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
        values: the values themselves.
    """

    def __init__(self, values: Iterable[str] = ()) -> None:
        self.active = False
        self.values: frozenset[str] = frozenset()
        self._known: tuple[_Value, ...] = ()
        self._needles: tuple[tuple[bytes, str], ...] = ()
        self._beginnings: frozenset[bytes] = frozenset()
        self.learn(values)

    def learn(self, values: Iterable[str]) -> None:
        """Hide these values from now on; those that are too short are left alone."""
        new = {value for value in values if len(value.strip()) >= SHORTEST} - self.values
        if not new:
            return
        known = [*self._known, *(part for secret in new for part in _parts(secret))]
        # The longest first: a value may stand inside another one.
        self._known = tuple(sorted(known, key=lambda one: -len(one.text)))
        self._needles = tuple((_bytes(text), one.secret) for one in self._known for text in (one.text, *one.cores))
        self._beginnings = frozenset(needle[:SHORTEST] for needle, _ in self._needles)
        self.values |= new
        self.active = True

    def found(self, data: bytes) -> list[str]:
        """The values that are in there, in whatever form."""
        found = {secret for needle, secret in self._needles if needle in data} if self._may_hold(data) else set()
        coded = _CODE.search(data) is not None
        if coded or b"\\" in data or b"+" in data or b"&" in data:
            found.update(one.secret for one in self._known if (coded or one.odd) and one.beginning.search(data))
        return sorted(found)

    def _may_hold(self, data: bytes) -> bool:
        """Whether it is worth looking for each needle: in few data it is quicker to look at each place first."""
        if len(data) > len(self._needles):
            return True
        places = range(len(data) - SHORTEST + 1)
        return not self._beginnings.isdisjoint([data[place : place + SHORTEST] for place in places])

    def redact(self, text: str) -> str:
        """The text with `•••` in place of the values."""
        if self.active and (found := self.found(_bytes(text))):
            for one in self._known:
                if one.secret in found:
                    text = one.hide(text)
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


def _parts(secret: str) -> Iterator[_Value]:
    """The value without the blanks around it, which may be gone, and its lines, since output is cut into lines.

    Not the lines that begin and end every key file.
    """
    bare = secret.strip()
    yield _Value(secret, bare)
    if "\n" in bare:
        for line in {line.strip() for line in bare.splitlines()}:
            if len(line) >= _LINE and not line.startswith("-----"):
                yield _Value(secret, line, cores=False)


def _pieces(text: str) -> Iterator[str]:
    """A pattern for each letter, and one for each run of backslashes, of which escaping makes more."""
    for run in re.findall(r"\\+|[^\\]", text):
        yield f"{_BACKSLASH}+" if run[0] == "\\" else f"(?:{'|'.join(_ways(run))})"


def _ways(letter: str) -> Iterator[str]:
    """Patterns for the ways to write a letter: as it is, escaped, and URL-encoded."""
    data, code = _bytes(letter), ord(letter)
    escaped = f"{_BACKSLASH}*" if letter in "\"'/" else ""
    yield escaped + re.escape(letter)
    yield escaped + "".join(f"{_PERCENT}(?i:{byte:02x})" for byte in data)
    if letter == " ":
        yield r"\+"
    if letter in _ENTITIES:
        yield f"&(?:amp;)*(?:{_ENTITIES[letter]});"
    if letter in _SHORT_ESCAPES:
        yield f"{_BACKSLASH}+{_SHORT_ESCAPES[letter]}"
    if not letter.isalnum() or code > 127:
        yield "".join(f"{_BACKSLASH}+x(?i:{byte:02x})" for byte in data)
        yield "".join(f"{_BACKSLASH}+u(?i:{unit:04x})" for unit in _units(letter))
        yield f"{_BACKSLASH}+(?:x(?i:{code:02x})|U(?i:{code:08x}))"


def _units(letter: str) -> list[int]:
    """UTF-16, which JSON's escapes are made of."""
    data = letter.encode("utf-16-be", "surrogatepass")
    return [int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2)]


def _all_cores(text: str) -> set[str]:
    """What base64 makes of the text, of JSON and addresses with it, and of base64 of the text: bytes are stored so."""
    from urllib.parse import quote  # only those who have something to hide need it

    written = {text, json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1], quote(_bytes(text), safe="")}
    once = _cores(text)
    cores = {core for other in written for core in _cores(other)} | {core for inner in once for core in _cores(inner)}
    return cores | {core.replace("/", "\\/") for core in cores}


def _cores(text: str) -> set[str]:
    """The base64 letters that depend on the text alone, at each of the three places it may have among the bytes."""
    data = _bytes(text)
    found = set()
    for shift, start in enumerate((0, 2, 3)):
        core = base64.b64encode(b"\0" * shift + data).decode()[start : (shift + len(data)) * 8 // 6]
        found |= {core, core.translate(_URLSAFE)}
    return found


def _without(text: str, core: str) -> str:
    """The text with `•••` in place of the base64 around the core, whose letters carry bits of the value too."""
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
