"""What a worker says of its machine when it registers."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from pathlib import Path

from flux.dispatch.port import Registration


def registration(name: str, slots: int, labels: dict[str, str]) -> Registration:
    """All of it."""
    return Registration(name, slots, runtime(), packages(), resources(), labels, os.getpid())


def runtime() -> dict[str, str]:
    """Operating system and Python."""
    return {
        "os_name": platform.system(),
        "os_version": platform.release(),
        "python_version": platform.python_version(),
    }


def packages() -> dict[str, str]:
    """Installed distributions, read off the names of their metadata folders: no file is opened."""
    found: dict[str, str] = {}
    for folder in reversed([Path(entry) for entry in sys.path if entry]):
        for pattern in ("*.dist-info", "*.egg-info"):
            for metadata in folder.glob(pattern):
                name, _, version = metadata.stem.partition("-")
                if version:
                    found[name.replace("_", "-").lower()] = version.removesuffix(".dist")
    return found


def resources() -> dict[str, float]:
    """Cores, and bytes of memory and disk."""
    disk = shutil.disk_usage(Path.cwd())
    return {
        "cpu_total": float(os.cpu_count() or 1),
        "cpu_available": float(_usable_cores()),
        "memory_total": _memory("SC_PHYS_PAGES"),
        "memory_available": _memory("SC_AVPHYS_PAGES"),
        "disk_total": float(disk.total),
        "disk_free": float(disk.free),
        "gpus": float(len(list(Path("/proc/driver/nvidia/gpus").glob("*")))),
    }


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory(name: str) -> float:
    try:
        return float(os.sysconf(name) * os.sysconf("SC_PAGE_SIZE"))
    except (ValueError, OSError):
        # macOS does not tell the free pages.
        return 0.0
