"""Graphs of regions that run as machine code in a machine of their own, and by the reference evaluator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vmcore._fast.jit.t2.emitface import Emitted, evaluated
from vmcore._fast.jitface import stress
from vmcore._fast.run import EXITS, Core
from vmcore.isa.riscv import Isa, install

install()
DRAM = 0x8000_0000
#: Where the code of a region lies, where it leaves to, and where its data are.
PAGE = DRAM + 0x1000
HEADER = 64
AWAY = 512
DATA = DRAM + 0x10_0000
DATA_SIZE = 0x4000
PINNED = (2, 8, 9, 10, 11, 12, 13, 14, 15, 16)
PINNED_F = (*range(8), *range(10, 16))
MASK = (1 << 64) - 1
FS_DIRTY = 3 << 13


def snapshot(
    registers: Mapping[str, str], entries: Mapping[int, str], kind: str = "next", off: int = AWAY, count: int = 3
) -> str:
    """Return a snapshot in which the pinned registers are what `registers` says, or else the entry values."""
    every = {f"x{number}": entries[number] for number in PINNED}
    every.update(registers)
    return f"[{kind} {off} count {count}: " + " ".join(f"{name}={value}" for name, value in every.items()) + "]"


def entries(start: int = 100, more: Sequence[int] = ()) -> tuple[str, dict[int, str]]:
    """Return the nodes of the pinned registers and of `more` at the entry, as text and by register."""
    named = {number: f"v{start + number}" for number in (*PINNED, *more)}
    return "\n".join(f"  {name} = entry x{number}" for number, name in named.items()), named


def straight(
    body: str,
    results: Mapping[str, str],
    *,
    more: Sequence[int] = (5, 6, 7, 28),
    kind: str = "next",
    fpu: bool = False,
) -> str:
    """Return a region of one block: `body` may use ``v100 + n`` for register n, and ``v132 + n`` for f[n]."""
    nodes, named = entries(more=more)
    snap = snapshot(results, named, kind)
    if not fpu:
        return f"region insns 3\nb1 @{HEADER}:\n{nodes}\n{body}\n  leave {snap}\n"
    every = {f"f{number}": f"v{132 + number}" for number in PINNED_F}
    every.update({name: value for name, value in results.items() if name.startswith("f")})
    snap = snap[:-1] + " " + " ".join(f"{name}={value}" for name, value in every.items() if name not in results) + "]"
    singles = "\n".join(f"  v{132 + number} = entry f{number}" for number in range(32))
    start = snapshot({}, named, "step", HEADER, 0)
    return f"region insns 3 fpu\nb1 @{HEADER}:\n{nodes}\n  fpu {start}\n{singles}\n{body}\n  leave {snap}\n"


class Machine:
    """A machine of one hart whose page of code is a region and nothing else that is compiled."""

    def __init__(self) -> None:
        self.core = Core(1, Isa.default().mask, tier="t1")
        self.core.add_ram(DRAM, 1 << 21)
        # jal x0, 0: what it leaves to stays where it is.
        self.core.memory.write(PAGE, (0x6F).to_bytes(4, "little") * 1024)
        self.core.csr_write(0, 0x300, FS_DIRTY)

    def close(self) -> None:
        """Give its memory back."""
        self.core.close()

    def run(
        self, region: Emitted, regs: Sequence[int], *, frm: int = 0, budget: int = 50_000, **how: Any
    ) -> dict[str, Any]:
        """Run until compiled code is left, and return what the hart is like then."""
        core = self.core
        for number in range(1, 32):
            core.set_x(0, number, regs[number])
        for number in range(32):
            core.set_f(0, number, regs[32 + number])
        core.csr_write(0, 0x003, frm << 5)
        core.set_pc(0, PAGE + HEADER)
        region.put(core, PAGE + HEADER)
        stress(core, stop=True, **how)
        before = core.icount(0)
        reason = core.run(max_insns=budget)
        flags = core.csr_read(0, 0x001)
        return {
            "stopped": reason == EXITS["stop"],
            "pc": core.pc(0),
            "executed": core.icount(0) - before,
            "regs": [core.x(0, number) for number in range(32)] + [core.f(0, number) for number in range(32)],
            "flags": flags,
        }


def check(machine: Machine, text: str, regs: Sequence[int], seed: int, *, memory: bytes = b"", frm: int = 0,
          select: bool = True, how: str = "scatter") -> dict[str, Any]:
    """Run a graph both ways, from the same state, and compare everything; return what the evaluator found."""
    region = Emitted(text, seed=seed, select=select, how=how)
    expected = evaluated(text, list(regs), page=PAGE, memory=memory, base=DATA, frm=frm)
    assert expected["how"] in ("snap", "to"), expected["what"]
    if memory:
        machine.core.memory.write(DATA, memory)
    found = machine.run(region, regs, frm=frm)
    context = f"seed {seed}, {how}\n{region.text()}\n{region.place_of()}\n{region.bytes().hex()}"
    assert found["stopped"], context
    assert found["pc"] == expected["pc"], context
    for number in range(64):
        assert found["regs"][number] == expected["regs"][number], f"register {number}: {context}"
    assert found["executed"] == expected["executed"], context
    assert found["flags"] == expected["flags"], context
    if memory:
        assert machine.core.memory.read(DATA, len(memory)) == expected["memory"], context
    return expected


# --- lifted graphs ----------------------------------------------------------------------------------------------------

TYPES = ("none", "int", "f64", "f32")
#: Operations whose result is of the type that the node says.
OPEN = frozenset(("select", "load", "fadd", "fsub", "fmul", "fdiv", "fsqrt", "fmadd", "fmsub", "fnmsub", "fnmadd",
                  "fmin", "fmax", "fsgnj", "fsgnjn", "fsgnjx", "fclean", "frombits", "f_int"))  # fmt: skip
ENDS = {1: "goto", 2: "branch", 3: "leave", 4: "leave_to"}


def register_name(number: int) -> str:
    return f"x{number}" if number < 32 else f"f{number - 32}"


def snap_text(snap: Mapping[str, Any] | None) -> str:
    if snap is None:
        return ""
    regs = " ".join(f"{register_name(number)}=v{node}" for number, node in snap["regs"].items())
    return f"[{'step' if snap['kind'] else 'next'} {snap['off']} count {snap['count']}: {regs}]"


def node_text(number: int, node: Mapping[str, Any]) -> str:
    op = node["op"]
    if op == "const":
        return f"  v{number} = const {node['imm']}"
    if op == "entry":
        return f"  v{number} = entry {register_name(node['imm'])}"
    head = f"  v{number} = " if TYPES[node["type"]] != "none" else "  "
    kind = f".{TYPES[node['type']]}" if op in OPEN else ""
    values = ", ".join(f"v{node[name]}" for name in "abc" if node[name])
    marks = f" # {node['imm']}" if node["imm"] else ""
    marks += f" size {node['size']}" if node["size"] else ""
    marks += f" mode {node['mode']}" if node["mode"] else ""
    marks += "".join(f" {name}" for bit, name in ((1, "write"), (2, "signed"), (4, "early")) if node["flags"] & bit)
    return f"{head}{op}{kind} {values}{marks} {snap_text(node['snap'])}"


def text_of(graph: Mapping[str, Any]) -> str:
    """Return a lifted graph (:mod:`vmcore._fast.jit.t2.liftface`) as text."""
    nodes = graph["nodes"]
    lines = [f"region insns {graph['insns']}" + (" fpu" if graph["fpu"] else "")]
    for number, block in graph["blocks"].items():
        args = [f"v{node}.{TYPES[nodes[node]['type']]}" for node in block["nodes"] if nodes[node]["op"] == "arg"]
        lines.append(f"b{number}" + (f"({', '.join(args)})" if args else "") + f" @{block['off']}:")
        lines += [node_text(node, nodes[node]) for node in block["nodes"] if nodes[node]["op"] != "arg"]
        edges = [f"b{to}" + (f"({', '.join(f'v{node}' for node in given)})" if given else "")
                 for to, given in block["edges"]]
        cond = [f"v{block['cond']}"] if block["cond"] else []
        end = ENDS[block["end"]]
        lines.append(f"  {end} " + ", ".join(cond + edges) + (" " + snap_text(block["snap"])))
    return "\n".join(lines) + "\n"
