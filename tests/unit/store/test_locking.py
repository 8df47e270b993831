from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from flux.errors import DatabaseConnectionError
from flux.store.locking import ServerLock


def test_the_holder_is_named(tmp_path):
    database = str(tmp_path / "flux.db")
    lock = ServerLock(database)
    with pytest.raises(DatabaseConnectionError) as caught:
        ServerLock(database)
    assert f"pid {os.getpid()} on {socket.gethostname()}" in str(caught.value)
    assert f"kill {os.getpid()}" in caught.value.hint
    lock.release()
    ServerLock(database).release()


def test_a_dead_holder_holds_nothing(tmp_path):
    database = str(tmp_path / "flux.db")
    code = "import os, sys\nfrom flux.store.locking import ServerLock\nlock = ServerLock(sys.argv[1])\nos._exit(0)"
    subprocess.run([sys.executable, "-c", code, database], check=True)
    ServerLock(database).release()


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(DatabaseConnectionError, match="nowhere"):
        ServerLock(str(tmp_path / "nowhere" / "flux.db"))
