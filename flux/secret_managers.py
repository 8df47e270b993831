"""Door: `from flux.secret_managers import SecretManager`."""

from flux.local.managers import SecretManager

__all__ = ["SecretManager"]
