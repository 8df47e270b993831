"""One server for each database file."""

from __future__ import annotations

import fcntl
import os
import socket
from pathlib import Path

from flux.errors import DatabaseConnectionError
from flux.store.errors import cannot_open


class ServerLock:
    """A file beside the database that one process holds while it serves it; it names its holder.

    The system lets go of it when the process ends, however it ends.
    """

    def __init__(self, database: str) -> None:
        self._database = database
        self.path = Path(f"{database}.lock")
        try:
            self._file = self.path.open("a+", encoding="utf-8")
        except OSError as error:
            raise cannot_open(error, database) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise self._held() from error
        self._file.truncate(0)
        self._file.write(f"{os.getpid()} {socket.gethostname()}\n")
        self._file.flush()

    def _held(self) -> DatabaseConnectionError:
        self._file.seek(0)
        pid, _, host = self._file.read().strip().partition(" ")
        self._file.close()
        return DatabaseConnectionError(
            f"The database {self._database} is served by another Flux server "
            f"(pid {pid or 'unknown'} on {host or 'unknown'}).",
            hint=f"Stop that server (`kill {pid or 'PID'}`), use it instead, or choose another database_url.",
        )

    def release(self) -> None:
        """Let go; the file stays, it means nothing by itself."""
        self._file.close()
