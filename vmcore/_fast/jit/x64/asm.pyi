from typing import Any

KINDS: tuple[str, ...]

def forms() -> list[dict[str, Any]]: ...

class Assembler:
    def __init__(self, room: int = 4096) -> None: ...
    @property
    def full(self) -> bool: ...
    def code(self) -> bytes: ...
    def window(self) -> bytes: ...
    def patch(self, field: int, target: int) -> None: ...
    def patch8(self, field: int, target: int) -> None: ...
    def emit(
        self,
        kind: str,
        form: str = "",
        *,
        w: int = 0,
        reg: int = 0,
        vvvv: int = 0,
        rm: int = 0,
        index: int = 0,
        scale: int = 0,
        disp: int = 0,
        imm: int = 0,
        cc: int = 0,
    ) -> int: ...

def encode(
    form: str,
    kind: str,
    w: int = 0,
    reg: int = 0,
    rm: int = 0,
    index: int = 0,
    scale: int = 0,
    disp: int = 0,
    imm: int = 0,
    vvvv: int = 0,
) -> bytes: ...
