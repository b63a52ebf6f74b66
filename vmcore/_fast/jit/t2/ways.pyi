"""Ways through guest code; nothing of them is for Python."""

HANDLER_MODULES: tuple[object, ...]
