"""Values to bytes and back: JSON first, tagged types, dill only when needed."""

from flux.codec.codec import Codec
from flux.codec.payload import NULL, Payload
from flux.codec.plain import from_plain, preview, to_plain

__all__ = ["NULL", "Codec", "Payload", "from_plain", "preview", "to_plain"]
