"""Names that people give to what they keep."""

from __future__ import annotations

from flux.errors import UsageError

_LONGEST = 255


def check_key(kind: str, name: str) -> str:
    """The name of a secret or config, if it can be used: one line, without blanks around it.

    Raises `UsageError`.

    Example:
        >>> check_key("secret", "prod/API_KEY")
        'prod/API_KEY'
    """
    if not name or name != name.strip() or len(name) > _LONGEST or not name.isprintable():
        raise UsageError(
            f"{name!r} cannot name a {kind}.",
            hint=f"Use at most {_LONGEST} printable characters, without blanks around them.",
        )
    return name
