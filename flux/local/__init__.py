"""Runs workflows here and now, durable in the local store, without a server."""

from flux.local.entry import resume, resume_async, run, run_async

__all__ = ["resume", "resume_async", "run", "run_async"]
