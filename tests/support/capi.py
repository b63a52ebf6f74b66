"""The C interface of a compiled module, through ctypes."""

from __future__ import annotations

import ctypes
from types import ModuleType
from typing import Any


def c_function(module: ModuleType, name: str, result: Any, *arguments: Any) -> Any:
    """Return the ``cdef`` function `name` that `module` exports; calls to it let go of the GIL."""
    capsule = module.__pyx_capi__[name]
    name_of = ctypes.pythonapi.PyCapsule_GetName
    name_of.restype, name_of.argtypes = ctypes.c_char_p, [ctypes.py_object]
    address_of = ctypes.pythonapi.PyCapsule_GetPointer
    address_of.restype, address_of.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    address = address_of(capsule, name_of(capsule))
    return ctypes.CFUNCTYPE(result, *arguments)(address)
