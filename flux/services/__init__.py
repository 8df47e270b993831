"""The rules of services: what they may be called, what they select, and where a name leads. No I/O."""

from flux.services.endpoints import Endpoint, Offer, candidates, resolve
from flux.services.selectors import Change, changed, check_service, check_service_name

__all__ = ["Change", "Endpoint", "Offer", "candidates", "changed", "check_service", "check_service_name", "resolve"]
