"""Parts of a machine's face that live above the machine and are fetched when they are first used.

What inspects and traces a machine stands on it, so the machine cannot import it. It names it instead, as an entry
point names a plugin; the object is made once a machine.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__all__ = ["Late"]


class Late:
    """An attribute that is made by ``module.name(machine)`` on first use.

    Parameters
    ----------
    module, name : str
        Where the class is.
    doc : str
        Documentation of the attribute.
    """

    def __init__(self, module: str, name: str, doc: str) -> None:
        self._module = module
        self._name = name
        self._attribute = ""
        self.__doc__ = doc

    def __set_name__(self, owner: type, name: str) -> None:
        self._attribute = name

    def __get__(self, machine: Any, owner: type) -> Any:
        if machine is None:
            return self
        part = getattr(import_module(self._module), self._name)(machine)
        # From now on the instance's own attribute is found first.
        machine.__dict__[self._attribute] = part
        return part
