"""Why a runner died, in words for people."""

from __future__ import annotations

import re
import signal

_FRAME = re.compile(r'^  File "(?P<path>[^"]*)", line \d+ in ')
_OURS = ("/asyncio/", "/flux/worker/", "/flux/engine/", "<frozen ", "/concurrent/futures/")


def exit_reason(returncode: int) -> str:
    """What an exit status means.

    Example:
        >>> exit_reason(3), exit_reason(-9), exit_reason(-11)
        ('exited with code 3', 'killed by SIGKILL', 'killed by SIGSEGV')
    """
    if returncode >= 0:
        return f"exited with code {returncode}"
    try:
        return f"killed by {signal.Signals(-returncode).name}"
    except ValueError:
        return f"killed by signal {-returncode}"


def readable_stack(dump: str) -> str:
    """The user's part of a faulthandler dump, most recent call first; all of it when there is none.

    Example:
        >>> print(readable_stack('''Current thread 0x1 (most recent call first):
        ...   File "/app/flows.py", line 9 in spin
        ...   File "/usr/lib/python3.11/asyncio/events.py", line 80 in _run
        ... '''))
          File "/app/flows.py", line 9 in spin
    """
    frames = [(line, match["path"]) for line in dump.splitlines() if (match := _FRAME.match(line))]
    users = [line for line, path in frames if not any(part in path for part in _OURS)]
    # The runner is started with `-m`, so runpy stands at the outer end of every stack.
    return "\n".join(line for line in (users or [line for line, _ in frames]) if "<frozen runpy>" not in line)


def with_stack(reason: str, dump: str) -> str:
    """A reason with the stack it happened in, when there is one."""
    stack = readable_stack(dump)
    return f"{reason}\n{stack}" if stack else reason
