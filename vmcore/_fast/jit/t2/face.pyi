from typing import Any

WAYS: dict[int, str]
KINDS: dict[int, str]
PASSES: tuple[str, ...]


class Region:
    @staticmethod
    def from_text(text: str) -> Region: ...
    def text(self, *, renumber: bool = True) -> str: ...
    def verify(self) -> str | None: ...
    @property
    def fuel(self) -> int: ...
    @fuel.setter
    def fuel(self, rewrites: int) -> None: ...
    @property
    def burnt(self) -> int: ...
    @property
    def fired(self) -> frozenset[str]: ...
    def run_pass(self, name: str) -> int: ...
    def known(self) -> dict[int, tuple[int, int, int]]: ...
    def evaluate(
        self,
        regs: dict[int, int],
        *,
        memory: bytearray | None = None,
        base: int = 0,
        page: int = 0,
        budget: int = 1 << 40,
        steps: int = 1_000_000,
        leave_at: int = 0,
        frm: int = 0,
    ) -> dict[str, Any]: ...
