PASSES: tuple[str, ...]
ORDER: tuple[str, ...]
