"""Outputs as files of the home."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

from flux.codec import Codec, Payload
from flux.config.home import write_durably
from flux.domain.outputs import OutputStorage, OutputStorageReference
from flux.engine.frame import CURRENT
from flux.engine.ports import ValueCodec
from flux.errors import OutputNotFoundError

FOLDER = "outputs"
_SUFFIXES = {"json": "json", "dill": "pkl"}


class LocalFileStorage(OutputStorage):
    """Keeps each output in a file of its own: `<home>/outputs/<reference>.json`, or `.pkl` for what JSON cannot carry.

    A file is complete and on the disk before its event is. It stays on the machine that wrote it: executions
    that may continue elsewhere need a folder that all workers share.

    Args:
        folder: another folder than that of the home.

    Example:
        @task.with_options(output_storage=LocalFileStorage())
        def report(month): ...
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        self._folder = None if folder is None else Path(folder).expanduser().absolute()

    def store(self, reference_id: str, value: Any) -> OutputStorageReference:
        """Write the value in one step. Raises `CodecError` for what cannot be stored."""
        payload = _codec().encode(value)
        suffix = _SUFFIXES.get(payload.encoding, payload.encoding)
        file = self._place() / f"{quote(reference_id, safe='')}.{suffix}"
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_durably(file, payload.data)
        return OutputStorageReference("local_file", reference_id, {"path": str(file), "encoding": payload.encoding})

    def retrieve(self, reference: OutputStorageReference) -> Any:
        """Read the value. Raises `OutputNotFoundError` with the path when the file is gone."""
        file = self._file(reference)
        try:
            data = file.read_bytes()
        except FileNotFoundError:
            raise OutputNotFoundError(
                f"The output '{reference.reference_id}' is not in its file '{file}'.",
                hint="Files stay on the machine that wrote them: continue the execution there, or restore the file.",
            ) from None
        return _codec().decode(Payload(data, reference.metadata.get("encoding", "json")))

    def delete(self, reference: OutputStorageReference) -> None:
        """Remove the file."""
        self._file(reference).unlink(missing_ok=True)

    def _place(self) -> Path:
        return self._folder or _home() / FOLDER

    def _file(self, reference: OutputStorageReference) -> Path:
        """Where it is now: the folder may have been moved since."""
        return self._place() / Path(str(reference.metadata["path"])).name


def _home() -> Path:
    """Of the execution that runs here, else of the settings."""
    frame = CURRENT.get()
    if frame is not None and frame.session.surroundings.home:
        return Path(frame.session.surroundings.home)
    from flux.config import load_settings

    return Path(load_settings({}).home)


def _codec() -> ValueCodec:
    """Of the execution that runs here, else by the settings."""
    frame = CURRENT.get()
    if frame is not None:
        return frame.session.codec
    from flux.config import load_settings

    settings = load_settings({})
    return Codec(settings.serializer, settings.signing_key())
