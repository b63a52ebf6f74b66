"""Random cases: one instruction of a row with operands that suit it, and whole programs.

What a row's instruction does (load, store, branch, jump, float) is read from the row itself, so a new row gets cases
without being mentioned here. ``Style`` says what an oracle can be asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from support import lockstep, operands
from support.lockstep import CODE_MOST, DATA, FILL, M64, PROGRAM, RAM_END, WINDOW, WINDOW_HALF, Case

from vmcore.isa.riscv import BY_MNEMONIC, Instruction
from vmcore.isa.riscv.assemble import encode, random_encoding

_SIZES = {"b": 1, "h": 2, "w": 4, "d": 8, "q": 16}
# CSRs whose whole behaviour the unprivileged specification fixes, and a plain register.
FFLAGS, FRM, FCSR, SSCRATCH = 1, 2, 3, 0x140
SEPC, MEPC = 0x141, 0x341
PLAIN_CSRS = (FFLAGS, FRM, FCSR, SSCRATCH)
PAGE = 4096


@dataclass(frozen=True)
class Style:
    """What may be in a case.

    Parameters
    ----------
    boxes : bool
        Narrow floating-point operands are always properly boxed.
    misaligned : bool
        Loads and stores may be misaligned.
    faults : bool
        Accesses may hit addresses where nothing is.
    modes : tuple of int
        Values for frm; 5 to 7 are reserved and make an instruction with a dynamic mode illegal.
    """

    boxes: bool = False
    misaligned: bool = True
    faults: bool = True
    modes: tuple[int, ...] = (0, 1, 2, 3, 4)


def access_size(row: Instruction) -> int:
    """Return the bytes that a load, a store or an atomic moves."""
    name = row.handler.rstrip("u")
    if "." in name:
        return _SIZES[name.rsplit(".", 1)[1]]
    return _SIZES[name[-1]]


def widths_of(row: Instruction) -> tuple[str, ...]:
    """Return the floating-point formats that an instruction reads."""
    letters = {"s": "f32", "d": "f64", "h": "f16", "w": "f32"}
    parts = row.mnemonic.split(".")[1:]
    if row.mnemonic.startswith("fcvt.") or row.mnemonic.startswith("fmv.") or row.mnemonic.startswith("fcvtmod"):
        return (letters.get(parts[-1], "f64"),)
    return tuple(letters[part] for part in parts if part in letters) or ("f64",)


def places(rng: Random, size: int) -> int:
    """Return an address for a program: anywhere even, often across or at the end of a page."""
    if rng.randrange(4):
        return PROGRAM + rng.randrange(0, 0x8000, 2)
    return PROGRAM + PAGE * rng.randrange(1, 8) - 2 * rng.randrange(0, size // 2 + 2)


def target(rng: Random, size: int, style: Style) -> int:
    """Return an address for an access of `size` bytes."""
    kind = rng.randrange(10)
    if kind == 0 and style.faults:
        # The last bytes of RAM: inside, across its end, outside.
        at = RAM_END - rng.randrange(0, 2 * size + 1)
        return at if style.misaligned else at & -size
    if kind == 1 and style.faults:
        at = rng.choice((RAM_END + rng.randrange(1 << 20), 0x4000_0000 + rng.randrange(1 << 24),
                         M64 - rng.randrange(64), 1 << 63 | rng.getrandbits(40), 1 << 40 | rng.getrandbits(30)))
        return at if style.misaligned else at & -size
    if kind == 2:
        at = RAM_END - lockstep.EDGE + rng.randrange(0, lockstep.EDGE - size + 1)
    elif kind <= 4:
        # Across the page boundary, or next to it.
        at = WINDOW - rng.randrange(0, size + 2)
    else:
        at = WINDOW - WINDOW_HALF + rng.randrange(0, 2 * WINDOW_HALF - size)
    return at if style.misaligned else at & -size


def registers(rng: Random, case: Case, style: Style) -> None:
    """Fill every register and the data of a case."""
    case.x[1:] = rng.choices(operands.integer_pool(), k=31)
    case.f[:] = rng.choices(operands.float_pool(style.boxes), k=32)
    case.fcsr = rng.choice(style.modes) << 5 | (rng.getrandbits(5) if rng.randrange(3) == 0 else 0)
    case.data = rng.randbytes(DATA)


def _operands(rng: Random, case: Case, row: Instruction, held: dict[str, int], style: Style) -> None:
    """Give the operands of a row's instruction values that tell something about it."""
    if "float" in row.flags:
        widths = widths_of(row)
        first = operands.float_register(rng, rng.choice(widths), boxes=style.boxes)
        for name in ("rs1", "rs2", "rs3"):
            value = operands.float_register(rng, rng.choice(widths), boxes=style.boxes)
            # Equal and almost equal numbers cancel.
            case.f[held[name]] = rng.choice((first, first ^ 1, value, value, value))
    value = operands.integer(rng)
    for name in ("rs1", "rs2"):
        case.x[held[name]] = value if held[name] else 0
        value = operands.related(rng, value)


def _alias(rng: Random, row: Instruction) -> dict[str, int]:
    """Return register numbers that are often the same one, or x0."""
    names = [name for name in ("rd", "rs1", "rs2", "rs3") if row.format.field(name)[1]]
    kind = rng.randrange(5)
    if not names or kind == 4:
        return {}
    chosen = {name: row.format.field(name)[2] + rng.getrandbits(row.format.field(name)[1]) for name in names}
    if kind == 0:
        first = chosen[names[0]]
        chosen = dict.fromkeys(names, first) if all(_fits(row, name, first) for name in names) else chosen
    elif kind == 1:
        a, b = rng.choice(names), rng.choice(names)
        if _fits(row, b, chosen[a]):
            chosen[b] = chosen[a]
    elif kind == 2:
        zero = rng.choice(names)
        if _fits(row, zero, 0):
            chosen[zero] = 0
    return chosen


def _fits(row: Instruction, name: str, value: int) -> bool:
    _, width, add = row.format.field(name)
    return 0 <= value - add < 1 << width


def word_of(row: Instruction, rng: Random, *, ignored: bool, **fixed: int) -> int:
    """Return a random encoding of a row, with aliases where the row allows them."""
    from vmcore.errors import IsaError

    chosen = {**_alias(rng, row), **fixed}
    try:
        return random_encoding(row, rng, ignored=ignored, **chosen) if _possible(row, chosen) else \
            random_encoding(row, rng, ignored=ignored, **fixed)
    except IsaError:
        return random_encoding(row, rng, ignored=ignored, **fixed)


def _possible(row: Instruction, chosen: dict[str, int]) -> bool:
    if any(chosen.get(name) == 0 for name in row.nonzero):
        return False
    return not ("even" in row.flags and (chosen.get("rd", 0) | chosen.get("rs2", 0)) & 1)


def single(row: Instruction, rng: Random, style: Style, *, ignored: bool = True) -> Case:
    """Return a case of one instruction."""
    case = Case(b"", places(rng, row.size))
    registers(rng, case, style)
    if row.format.shape == "CSR":
        return _csr_case(row, rng, case)
    if row.mnemonic in ("mret", "sret"):
        return _return_case(row, rng, case)
    memory = bool(row.flags & {"load", "store", "atomic"}) or row.mnemonic.startswith("cbo.")
    while True:
        word = word_of(row, rng, ignored=ignored)
        held = row.format.extract(word)
        if memory and held["rs1"] == 0:
            continue
        _operands(rng, case, row, held, style)
        if not row.flags & {"jump", "branch"} or _lands(row, rng, case, held):
            break
    case.code = word.to_bytes(row.size, "little")
    if memory:
        size = 64 if row.mnemonic.startswith("cbo.") else access_size(row)
        aligned = "atomic" in row.flags and rng.randrange(8)
        at = target(rng, size, style)
        if aligned or ("atomic" in row.flags and not style.misaligned):
            at &= -size
        if row.mnemonic.startswith("cbo."):
            at = rng.choice((WINDOW - 64, WINDOW, WINDOW + 64, RAM_END - 64, RAM_END)) + rng.randrange(64) \
                if style.faults else WINDOW + rng.randrange(128)
        case.x[held["rs1"]] = (at - held["imm"] * (row.format.shape != "AMO")) % 2**64
        if row.mnemonic.startswith("sc.") and rng.randrange(2):
            reserve = encode(BY_MNEMONIC[row.mnemonic.replace("sc", "lr")], rd=0, rs1=held["rs1"], imm=0)
            case.code = reserve.to_bytes(4, "little") + case.code
        if row.mnemonic.startswith("amocas") and rng.randrange(2) == 0:
            _make_equal(case, held, at, size)
    return case


def _make_equal(case: Case, held: dict[str, int], at: int, size: int) -> None:
    """Let rd hold what memory holds, so that a compare-and-swap succeeds."""
    start = at - WINDOW + WINDOW_HALF
    if not 0 <= start <= 2 * WINDOW_HALF - size or held["rd"] in (0, held["rs1"]):
        return
    value = int.from_bytes(case.data[start : start + size], "little")
    case.x[held["rd"]] = value % 2**64
    if size == 16 and held["rd"] + 1 != held["rs1"]:
        case.x[held["rd"] + 1] = value >> 64


def _lands(row: Instruction, rng: Random, case: Case, held: dict[str, int]) -> bool:
    """Give a jump or a branch somewhere to go that is neither itself nor unknown; False: it cannot be helped."""
    if row.format.shape == "S":
        # A branch: its operands are equal now and then.
        case.x[held["rs2"]] = operands.related(rng, case.x[held["rs1"]]) if held["rs2"] else 0
        goal = case.address + held["imm"]
    elif row.handler == "jalr":
        if held["rs1"] == 0:
            return False
        goal = rng.randrange(*FILL)
        case.x[held["rs1"]] = (goal - held["imm"]) % 2**64
        goal &= ~1
    elif row.handler == "jal":
        goal = case.address + held["imm"]
    else:
        return True
    return not case.address - 2 < goal < case.address + row.size and FILL[0] <= goal < FILL[1]


def _csr_case(row: Instruction, rng: Random, case: Case) -> Case:
    """Return a case of a CSR instruction, followed by reading that register."""
    number = rng.choice(PLAIN_CSRS)
    first = word_of(row, rng, ignored=True, imm=number)
    # sscratch begins as zero, and its last value is read back.
    clear = encode(BY_MNEMONIC["csrrw"], rd=0, rs1=0, imm=SSCRATCH)
    seed = encode(BY_MNEMONIC["csrrw"], rd=0, rs1=rng.randrange(1, 32), imm=SSCRATCH)
    again = encode(BY_MNEMONIC["csrrs"], rd=rng.randrange(1, 32), rs1=0, imm=number)
    last = encode(BY_MNEMONIC["csrrs"], rd=rng.randrange(1, 32), rs1=0, imm=SSCRATCH)
    case.code = b"".join(word.to_bytes(4, "little") for word in (rng.choice((clear, seed)), first, again, last))
    return case


def _return_case(row: Instruction, rng: Random, case: Case) -> Case:
    """Return a case that goes back from a trap to U-mode, somewhere in the fill, where it traps again."""
    where = {"mret": MEPC, "sret": SEPC}[row.mnemonic]
    source = rng.randrange(1, 32)
    case.x[source] = rng.randrange(*FILL)
    case.code = encode(BY_MNEMONIC["csrrw"], rd=0, rs1=source, imm=where).to_bytes(4, "little")
    case.code += encode(row).to_bytes(4, "little")
    return case


# --- programs ---------------------------------------------------------------------------------------------------

# Registers that a program keeps: a counter and the base of its memory.
COUNTER, BASE = 8, 9
_UNSUITED = {"privileged", "jump", "branch", "atomic", "system"}


def straight(rng: Random, rows: list[Instruction], count: int, style: Style) -> bytes:
    """Return `count` random instructions of `rows`, none of which writes COUNTER or BASE or leaves its course."""
    words = []
    while len(words) < count:
        row = rng.choice(rows)
        if row.flags & _UNSUITED:
            continue
        memory = bool(row.flags & {"load", "store"})
        word = word_of(row, rng, ignored=True)
        held = row.format.extract(word)
        if not row.rd_is_float and row.format.shape != "S" and held["rd"] in (COUNTER, BASE):
            continue
        if row.format.shape == "AMO" and memory:
            continue
        if memory:
            word = _in_window(row, rng, word, held, style)
            if word is None:
                continue
        words.append(word.to_bytes(row.size, "little"))
    return b"".join(words)


def _in_window(row: Instruction, rng: Random, word: int, held: dict[str, int], style: Style) -> int | None:
    """Return the instruction with BASE as its base and an offset that stays inside the window; None: impossible."""
    from vmcore.errors import IsaError

    size = access_size(row)
    low, high = -WINDOW_HALF, WINDOW_HALF - size
    changed = {name: held[name] for name in ("rd", "rs2") if row.format.field(name)[1]}
    if row.format.field("rs1")[1]:
        changed["rs1"] = BASE
    elif row.format.field("rs1")[2] != BASE:
        return None
    imm = held["imm"]
    if not low <= imm <= high:
        imm = rng.randrange(low, high + 1)
    if not style.misaligned:
        imm &= -size
    try:
        return encode(row, imm=imm, **changed)
    except IsaError:
        return None


def atomic_run(rng: Random, rows: list[Instruction]) -> bytes:
    """Return an address in x5 and a few atomics on it, LR/SC pairs among them."""
    at = 8 * rng.randrange(-16, 16)
    base = 5
    words = [encode(BY_MNEMONIC["addi"], rd=base, rs1=BASE, imm=at)]
    free = [n for n in range(1, 32) if n not in (COUNTER, BASE, base)]
    for _ in range(rng.randrange(1, 4)):
        kind = rng.randrange(3)
        suffix = rng.choice(("w", "d"))
        if kind == 0 and f"lr.{suffix}" in {row.mnemonic for row in rows}:
            words.append(encode(BY_MNEMONIC[f"lr.{suffix}"], rd=rng.choice(free), rs1=base, imm=rng.randrange(4)))
            for _ in range(rng.randrange(3)):
                words.append(encode(BY_MNEMONIC["xor"], rd=rng.choice(free), rs1=rng.choice(free),
                                    rs2=rng.choice(free)))
            words.append(encode(BY_MNEMONIC[f"sc.{suffix}"], rd=rng.choice(free), rs1=base, rs2=rng.choice(free),
                                imm=rng.randrange(4)))
            continue
        choices = [row for row in rows if row.flags >= {"atomic", "load", "store"} and access_size(row) <= 8]
        if choices:
            words.append(encode(rng.choice(choices), rd=rng.choice(free), rs1=base, rs2=rng.choice(free),
                                imm=rng.randrange(4)))
    return b"".join(word.to_bytes(4, "little") for word in words)


_BRANCHES = ("beq", "bne", "blt", "bge", "bltu", "bgeu")


def program(rng: Random, rows: list[Instruction], style: Style, *, loops: bool = True) -> Case:
    """Return a program that ends: straight runs, forward branches over some of them, and counted loops."""
    code = b""
    names = {row.mnemonic for row in rows}
    for _ in range(rng.randrange(1, 5)):
        block = straight(rng, rows, rng.randrange(1, 9), style)
        if "amoadd.w" in names and rng.randrange(4) == 0:
            block += atomic_run(rng, rows)
        kind = rng.randrange(4)
        if kind == 0:
            branch = encode(BY_MNEMONIC[rng.choice(_BRANCHES)], rs1=rng.randrange(32), rs2=rng.randrange(32),
                            imm=4 + len(block))
            code += branch.to_bytes(4, "little") + block
        elif kind == 1 and loops:
            count = rng.randrange(1, 6)
            back = encode(BY_MNEMONIC["bne"], rs1=COUNTER, rs2=0, imm=-len(block) - 4)
            code += b"".join(word.to_bytes(4, "little") for word in (
                encode(BY_MNEMONIC["addi"], rd=COUNTER, rs1=0, imm=count),)) + block
            code += encode(BY_MNEMONIC["addi"], rd=COUNTER, rs1=COUNTER, imm=-1).to_bytes(4, "little")
            code += back.to_bytes(4, "little")
        elif kind == 2:
            jump = encode(BY_MNEMONIC["jal"], rd=rng.choice((0, 1)), imm=4 + len(block))
            code += jump.to_bytes(4, "little") + block
        else:
            code += block
    if len(code) > CODE_MOST:
        return program(rng, rows, style, loops=loops)
    case = Case(code, places(rng, len(code)))
    registers(rng, case, style)
    case.x[BASE] = WINDOW
    return case
