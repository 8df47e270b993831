"""Versions of user code: found on the disk, bundled, compared."""
