"""Which store of compiled code a machine uses."""

from __future__ import annotations

from vmcore._fast.jit.l3 import Store, open_store
from vmcore.config.folders import code_folder
from vmcore.errors import ConfigError

__all__ = ["open_code_cache"]


def open_code_cache(choice: str) -> Store | None:
    """Return the store that the setting ``code_cache`` asks for.

    Parameters
    ----------
    choice : str
        ``"on"``, ``"memory"``, ``"off"`` or a folder.

    Raises
    ------
    ConfigError
        A folder was named that must not be used, as others may write to it.
    """
    if choice == "off":
        return None
    if choice == "memory":
        return open_store()
    if choice == "on":
        # If it cannot be used, code is shared in this process all the same; `vmcore cache show` says why.
        return open_store(code_folder())
    store = open_store(choice)
    if store.problem is not None:
        raise ConfigError(
            f"code_cache={choice!r}: {store.problem}",
            hint="Code in it is executed: the folder must be yours, and writable for nobody else (chmod 700).",
        )
    return store
