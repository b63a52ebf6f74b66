names: dict[str, int]
