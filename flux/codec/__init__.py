"""Values to bytes and back: JSON first, tagged types, dill only when needed."""

from flux.codec.payload import NULL, Payload

__all__ = ["NULL", "Payload"]
