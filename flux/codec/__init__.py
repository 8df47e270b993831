"""Values to bytes and back: JSON first, tagged types, dill only when needed."""

from flux.codec.codec import Codec
from flux.codec.payload import NULL, Payload
from flux.codec.plain import from_plain, preview, to_plain
from flux.codec.redactor import HIDDEN, Redactor
from flux.codec.sealing import Seal

__all__ = ["HIDDEN", "NULL", "Codec", "Payload", "Redactor", "Seal", "from_plain", "preview", "to_plain"]
