"""How this build of the compiled core was made."""

PROFILE: str
"""``"release"``, ``"debug"`` or ``"trace"``."""

COMPILER: str
"""The C compiler and its version."""

SANITIZER: str
"""``"address"``, ``"thread"``, or empty."""

DISPATCH: str
"""How one instruction's code hands over to the next: ``"tail calls"`` or ``"loop"``."""

ENGINE: str
"""A digest of what the compiled core is made from."""
