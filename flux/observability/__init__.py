"""What Flux tells about itself: logs."""

from flux.observability.logs import about, set_up

__all__ = ["about", "set_up"]
