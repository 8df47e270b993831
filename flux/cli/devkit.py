"""What `flux dev` is made of, checked before any screen opens."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from flux.config import load_settings
from flux.config.home import Home
from flux.dev.discovery import Scope
from flux.dev.supervisor import ChildStatus, Supervisor, bind, server_command
from flux.errors import ConfigurationError

if TYPE_CHECKING:
    from flux.client.client import FluxClient
    from flux.dev.session import DevSession
    from flux.wire.models import ReloadModel


@dataclass(frozen=True, slots=True)
class DevKit:
    """A bound socket, the files to watch and how to start the server.

    Nothing here is imported that starting the server does not need: it starts while the rest is.

    Attributes:
        scope: None with `--no-watch`.
        url: where clients on this machine reach the server.
    """

    sock: socket.socket
    scope: Scope | None
    url: str
    host: str
    port: int
    workers: int

    @classmethod
    def prepare(cls, paths: Sequence[Path], *, port: int | None, host: str | None, workers: int, watch: bool) -> DevKit:
        """Check everything that can be wrong from the start.

        Raises `UsageError` for a missing path, `ConfigurationError` for a home that cannot be written and
        for a port that is taken, `DatabaseConnectionError` for a database that another server has.
        """
        settings = load_settings({})
        scope = Scope.of(paths or [Path(path) for path in settings.dev.paths], settings.dev.ignore) if watch else None
        check_home(Path(settings.home))
        check_database(settings.database_url)
        wanted = settings.server_host if host is None else host
        sock = bind(wanted, settings.server_port if port is None else port)
        address = sock.getsockname()
        bound = int(address[1])
        reached = "127.0.0.1" if address[0] in ("0.0.0.0", "::") else address[0]
        shown = f"[{reached}]" if ":" in reached else reached
        return cls(sock, scope, f"http://{shown}:{bound}", wanted, bound, workers)

    def client(self) -> FluxClient:
        """A client of the server."""
        from flux.client.client import FluxClient

        return FluxClient(self.url)

    def supervisor(
        self, *, on_line: Callable[[str], None], on_status: Callable[[ChildStatus], None] = lambda status: None
    ) -> Supervisor:
        """What keeps the server running."""
        return Supervisor(
            sock=self.sock,
            command=lambda fd, pipe: server_command(fd, pipe, self.workers, self.host, self.port),
            on_line=on_line,
            on_status=on_status,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )

    def session(
        self,
        supervisor: Supervisor,
        api: FluxClient,
        on_report: Callable[[ReloadModel], None] = lambda report: None,
    ) -> DevSession:
        """The supervisor and the watcher together; call it inside the loop that runs them."""
        from flux.dev.session import DevSession
        from flux.dev.watcher import Watcher

        watcher = None if self.scope is None else Watcher(api, self.scope, on_report=on_report)
        return DevSession(supervisor, watcher, api)

    def watched(self) -> str:
        """The watched paths for people."""
        if self.scope is None:
            return "nothing"
        base = Path.cwd()
        shown = (path.relative_to(base) if base in path.parents else path for path in self.scope.paths)
        return ", ".join(str(path) for path in shown)


def check_home(path: Path) -> None:
    """Raise `ConfigurationError` when the home cannot be made or written."""
    Home(path).create()
    probe = path / f".write-{os.getpid()}"
    try:
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ConfigurationError(
            f"The home '{path}' cannot be written: {error.strerror or error}.",
            hint="Set FLUX_HOME to a folder that can, or start from another folder.",
        ) from error


def check_database(url: str) -> None:
    """Raise `DatabaseConnectionError` when another server has this SQLite file; it would refuse ours too."""
    path = url.removeprefix("sqlite:///")
    if path != url and Path(f"{path}.lock").exists():
        from flux.store.locking import ServerLock

        ServerLock(path).release()
