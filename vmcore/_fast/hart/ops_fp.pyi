from types import ModuleType

FORMATS: dict[str, ModuleType]
