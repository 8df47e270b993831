"""Where outputs are kept that are too large for the log."""

from flux.domain.outputs import InlineOutputStorage, OutputStorage, OutputStorageReference
from flux.tasks.files import LocalFileStorage

__all__ = ["InlineOutputStorage", "LocalFileStorage", "OutputStorage", "OutputStorageReference"]
