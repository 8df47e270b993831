"""Who may do what: tokens of workers, permissions of routes, hosts and origins."""

from flux.security.hosts import LOOPBACK, is_loopback, refusal
from flux.security.permissions import Permission
from flux.security.tokens import Tokens, bearer, new_token, same

__all__ = ["LOOPBACK", "Permission", "Tokens", "bearer", "is_loopback", "new_token", "refusal", "same"]
