"""Files into guest memory: ELF, Linux ``Image``, flat binaries, and what they are packed in."""
