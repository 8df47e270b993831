"""What the dashboard may ask of the process that started the server; absent when attached with `flux top`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

ServerState = Literal["starting", "running", "restarting", "stopped"]


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """How the server child stands.

    Attributes:
        state: `restarting` while it is being brought back, `stopped` when nobody tries any more.
        pid: of the running child, or None.
        exit_code: of the last child that ended; negative for a signal; None while none has.
        reason: one sentence on the last end (`killed by SIGKILL`, `port 8000 is taken`), or "".
        output: its last lines of output, oldest first (about 50).
        restarts: how often it was started again.
    """

    state: ServerState
    pid: int | None = None
    exit_code: int | None = None
    reason: str = ""
    output: tuple[str, ...] = ()
    restarts: int = 0


class Controls(Protocol):
    """The supervisor and the watcher, as the dashboard needs them. Calls must return quickly."""

    def server_status(self) -> ServerStatus:
        """How the server child stands now."""
        ...

    async def reload_now(self) -> None:
        """Check all watched files now, changed or not."""
        ...

    async def restart_server(self) -> None:
        """Stop the server child if it runs, and start it again."""
        ...
