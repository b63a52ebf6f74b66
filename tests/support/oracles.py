"""What each oracle can be asked, and where it is known to be wrong or to choose otherwise than vmcore.

Every exception is one function or one condition with the sentence of the specification that decides it. The names of
the volumes are those of The RISC-V Instruction Set Manual: I, unprivileged; II, privileged.
"""

from __future__ import annotations

from dataclasses import replace

from support.cases import Style
from support.lockstep import RAM_END, WINDOWS, Case, Outcome, differences

from vmcore.isa.riscv import Instruction, find
from vmcore.isa.riscv.table import BY_MNEMONIC

_FETCH_FAULT, _ILLEGAL, _FETCH_PAGE = 1, 2, 12
_LOAD_MISALIGNED, _LOAD_FAULT, _STORE_MISALIGNED, _STORE_FAULT, _STORE_PAGE = 4, 5, 6, 7, 15
_BOX_32 = 0xFFFF_FFFF_0000_0000

#: Rounding modes with the reserved ones, for oracles that refuse those as well.
ALL_MODES = (0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 5, 6, 7)
REFERENCE_STYLE = Style(modes=ALL_MODES)
SPIKE_STYLE = Style(modes=ALL_MODES)
# Unicorn takes what is in the low half of a register for a single, boxed or not (volume I, D, "NaN Boxing of Narrower
# Values": "Otherwise, the input value is treated as an n-bit canonical NaN").
UNICORN_STYLE = Style(boxes=True)


# --- Unicorn ----------------------------------------------------------------------------------------------------

#: Rows that Unicorn cannot be asked about.
UNICORN_LACKS = {
    # It stops at an ecall with the cause of U-mode whatever the mode is (volume II, "Environment Call and
    # Breakpoint": "Environment-call-from-M-mode exceptions" have a code of their own) and pc behind it.
    "ecall",
    # It does not come back from U-mode for the next case.
    "mret", "sret",
    # It waits for an interrupt, and none comes.
    "wfi",
}  # fmt: skip


def unicorn_style(row: Instruction) -> Style:
    """Return what Unicorn can be asked about a row."""
    if "atomic" in row.flags:
        # It reports the read half of an atomic as a load (volume II, table of mcause: "Store/AMO access fault") and
        # moves pc behind a misaligned one.
        return replace(UNICORN_STYLE, misaligned=False, faults=False)
    return UNICORN_STYLE


def suits_unicorn(case: Case) -> bool:
    """Whether a case of one instruction is free of what Unicorn's version of F got wrong.

    fmin and fmax of a signalling NaN and a number (volume I, F: "If only one operand is a NaN, the result is the
    non-NaN operand") gave a NaN before version 2.2 of F.
    """
    return not any(row is not None and row.mnemonic.startswith(("fmin", "fmax"))
                   for row in (find(word) for _, word in case.words()))


def against_unicorn(case: Case, ours: Outcome, theirs: Outcome) -> list[str]:
    """Say where the outcomes differ."""
    # It does not box narrow results: their upper half is zero or what was there (volume I, D, "NaN Boxing of Narrower
    # Values": results are extended with ones).
    row, held = _only(case)
    if row is not None and row.rd_is_float and _narrow(row):
        theirs = replace(theirs, f=[value | _BOX_32 if n == held["rd"] else value for n, value in enumerate(theirs.f)])
    return differences(ours, _as_partial_store(ours, theirs), tval=False)


def _only(case: Case) -> tuple[Instruction | None, dict[str, int]]:
    """Return the row and operands of the only instruction of a case."""
    words = [word for _, word in case.words()]
    row = find(words[0])
    if len(words) != 1 or row is None:
        return None, {}
    return row, row.format.extract(words[0])


def _narrow(row: Instruction) -> bool:
    """Whether the destination holds a single."""
    return row.mnemonic.split(".")[1:2] in (["s"], ["w"])


# --- Spike ------------------------------------------------------------------------------------------------------

#: It waits for an interrupt, and none comes.
SPIKE_LACKS = {"wfi"}


def against_spike(case: Case, ours: Outcome, theirs: Outcome) -> list[str]:
    """Say where the outcomes differ."""
    theirs = _as_partial_store(ours, theirs)
    if (ours.cause, theirs.cause) in ((_LOAD_MISALIGNED, _LOAD_FAULT), (_STORE_MISALIGNED, _STORE_FAULT)) \
            and _is_atomic(case, ours.epc):
        # Volume I, A: "If the address is not naturally aligned, an address-misaligned exception or an access-fault
        # exception will be generated." vmcore generates the first, Spike the second.
        theirs = replace(theirs, cause=ours.cause)
    if ours.cause == theirs.cause and ours.cause in (_STORE_FAULT, _STORE_PAGE) and ours.tval & -64 == theirs.tval \
            and _at(case, ours.epc) is BY_MNEMONIC["cbo.zero"]:
        # Volume I, "Cache-Block Management": "the relevant *tval CSR is written with the faulting effective address
        # (i.e. the value of rs1)". Spike writes the address of the block.
        theirs = replace(theirs, tval=ours.tval)
    if ours.cause == _ILLEGAL and ours.tval & 0x1F == 0x1F and theirs.cause in (_FETCH_FAULT, _FETCH_PAGE):
        # Volume I, "Expanded Instruction-Length Encoding": encodings beyond 32 bits are not frozen. vmcore's ILEN is
        # 32, so four bytes are enough to see that it is illegal; Spike fetches as many as the length field says.
        theirs = replace(theirs, cause=ours.cause, tval=ours.tval)
    return differences(ours, theirs)


def _at(case: Case, epc: int) -> Instruction | None:
    return next((find(word) for at, word in case.words() if at == epc), None)


def _is_atomic(case: Case, epc: int) -> bool:
    row = _at(case, epc)
    return row is not None and "atomic" in row.flags


# --- both -------------------------------------------------------------------------------------------------------


def _as_partial_store(ours: Outcome, theirs: Outcome) -> Outcome:
    """Undo what an oracle stored of a misaligned store whose second part faulted at the end of RAM.

    Volume I, RVWMO, "Memory Model Primitives": "a misaligned load or store instruction may be decomposed into a set
    of component memory operations of any granularity". vmcore checks both parts first and stores nothing.
    """
    if ours.cause != _STORE_FAULT or theirs.cause != _STORE_FAULT or ours.tval != RAM_END:
        return theirs
    (_, first), (_, edge) = WINDOWS
    kept = first + edge - 7
    return replace(theirs, data=theirs.data[:kept] + ours.data[kept:])
