ISA_BITS: dict[str, int]
