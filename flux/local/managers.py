"""Secrets and configs for scripts: `SecretManager` and `ConfigManager`, on the configured store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

from flux.codec import Codec, from_plain, to_plain
from flux.engine.frame import CURRENT
from flux.engine.injection import check_complete, fetch_configs, fetch_secrets
from flux.errors import UsageError
from flux.local.opening import from_outside, open_store

_JSON = Codec("json")


class SecretManager:
    """Keeps secrets in the configured store, and gives them back by name.

    Inside of workflows it only gives: there it asks whoever runs them, as `secret_requests` does.

    Example:
        >>> manager = SecretManager.current()  # doctest: +SKIP
        >>> manager.save("API_KEY", "hunter2!")  # doctest: +SKIP
        >>> manager.all()  # doctest: +SKIP
        ['API_KEY']
        >>> manager.remove("API_KEY")  # doctest: +SKIP
    """

    @classmethod
    def current(cls) -> Self:
        """The one for the settings in force."""
        return cls()

    def save(self, name: str, value: str) -> None:
        """Keep a secret, in place of an earlier one. Raises `UsageError` for what cannot be one."""
        if not isinstance(value, str):
            raise UsageError(f"The secret '{name}' is no text.", hint="Keep what is no text as JSON or in base64.")
        from_outside(lambda store: store.secrets.set(name, value))

    def remove(self, name: str) -> None:
        """Forget a secret. Raises `SecretNotFoundError`."""
        from_outside(lambda store: store.secrets.remove(name))

    async def get(self, names: Sequence[str]) -> dict[str, str]:
        """Secrets by name. Raises `ValueError` that names the missing ones."""
        if (frame := CURRENT.get()) is not None:
            return await fetch_secrets(frame.session, names)
        async with open_store() as store:
            found = await store.secrets.get(names)
        check_complete("secrets", names, found)
        return found

    def all(self) -> list[str]:
        """The names of all secrets."""
        return from_outside(lambda store: store.secrets.names())


class ConfigManager:
    """Keeps configs in the configured store, as `SecretManager` keeps secrets. Their values are any JSON.

    Example:
        >>> manager = ConfigManager.current()  # doctest: +SKIP
        >>> manager.save("limits", {"rows": 10})  # doctest: +SKIP
        >>> manager.all()  # doctest: +SKIP
        ['limits']
        >>> manager.remove("limits")  # doctest: +SKIP
    """

    @classmethod
    def current(cls) -> Self:
        """The one for the settings in force."""
        return cls()

    def save(self, name: str, value: Any) -> None:
        """Keep a config, in place of an earlier one. Raises `CodecError` for what JSON cannot carry."""
        payload = from_plain(to_plain(_JSON.encode(value)))
        from_outside(lambda store: store.configs.set(name, payload))

    def remove(self, name: str) -> None:
        """Forget a config. Raises `ConfigNotFoundError`."""
        from_outside(lambda store: store.configs.remove(name))

    async def get(self, names: Sequence[str]) -> dict[str, Any]:
        """Configs by name. Raises `ValueError` that names the missing ones."""
        if (frame := CURRENT.get()) is not None:
            return await fetch_configs(frame.session, names)
        async with open_store() as store:
            found = await store.configs.get(names)
        check_complete("configs", names, found)
        return {name: to_plain(payload) for name, payload in found.items()}

    def all(self) -> list[str]:
        """The names of all configs."""
        return from_outside(lambda store: store.configs.names())
