"""Expressions as regions: what is written as a call in Python becomes nodes in the text form."""

from __future__ import annotations

import ast
import itertools
import random
from collections.abc import Iterator

from vmcore._fast.jit.t2.face import Region

M64 = 2**64 - 1
VARIABLES = {"x": 10, "y": 11, "z": 12}
SHIFTS = (0, 1, 7, 8, 16, 24, 31, 32, 33, 40, 48, 56, 62, 63)
SHIFTS32 = (0, 1, 8, 15, 16, 24, 30, 31)
CONSTANTS = (0, 1, 2, -1, 63, 31, 127, 128, 255, 0x7FFF, 0xFFFF, 0x10000, 2**31 - 1, 2**31, 2**32 - 1, 2**32,
             -(2**31), 2**63 - 1, -(2**63), 0x123456789ABCDEF0, 95)  # fmt: skip
POWERS = (*(1 << k for k in (0, 1, 3, 8, 30, 31, 32, 47, 62)), -(2**63))
CHOICES = {"C": CONSTANTS, "D": CONSTANTS[::2], "S": SHIFTS, "T": SHIFTS, "U": SHIFTS32, "V": SHIFTS32, "W": POWERS}

#: Where carries, signs and widths end, and what is near.
CORNERS = sorted({(sign * ((1 << k) + near)) & M64 for k in (0, 1, 4, 7, 8, 15, 16, 31, 32, 47, 62, 63)
                  for near in (-1, 0, 1) for sign in (1, -1)})  # fmt: skip
NAMES = {"single": "frombits.f32", "frombits": "frombits.f64", "bits_single": "bits", "select": "select.int",
         "fsgnj": "fsgnj.f64", "fclean": "fclean.f64", "fmadd": "fmadd.f64"}  # fmt: skip


def constants_of(expression: str) -> Iterator[dict[str, int]]:
    """Every choice of the constants that it names; each once, as far as there are not too many of them."""
    names = sorted({node.id for node in ast.walk(ast.parse(expression)) if isinstance(node, ast.Name)} & set(CHOICES))
    if names in (["S", "T"], ["U", "V"]) and "or_" in expression:
        # Two parts of a rotation.
        width = 64 if names == ["S", "T"] else 32
        yield from ({names[0]: by, names[1]: (width - by) % width} for by in CHOICES[names[0]])
        return
    for values in itertools.product(*(CHOICES[name] for name in names)):
        yield dict(zip(names, values, strict=True))


def region_text(expression: str, constants: dict[str, int]) -> str:
    """The text of a region that leaves with the value in x13; what is written twice is one node."""
    lines = [f"  v{register} = entry x{register}" for register in VARIABLES.values()]
    lines += ["  fpu [next 0:]"]
    numbers = itertools.count(20)
    done: dict[str, str] = {}

    def visit(node: ast.expr) -> str:
        same = ast.dump(node)
        if same not in done:
            done[same] = make(node)
        return done[same]

    def make(node: ast.expr) -> str:
        match node:
            case ast.Name(id=name):
                return f"v{VARIABLES[name]}" if name in VARIABLES else str(constants[name])
            case ast.Call(func=ast.Name(id=name), args=args):
                operands = ", ".join([visit(arg) for arg in args])
                made = f"v{next(numbers)}"
                lines.append(f"  {made} = {NAMES.get(name, name.rstrip('_'))} {operands}")
                return made
        return str(ast.literal_eval(node))

    value = visit(ast.parse(expression, mode="eval").body)
    return "\n".join(["region fpu", "b1:", *lines, f"  leave [next 0: x13={value}]", ""])


def region_of(expression: str, constants: dict[str, int]) -> Region:
    return Region.from_text(region_text(expression, constants))


def inputs(seed: int, count: int) -> list[dict[int, int]]:
    """Values of the variables: corners, and random ones of random widths."""
    rng = random.Random(seed)
    found = []
    for _ in range(count):
        registers = {}
        for register in VARIABLES.values():
            width = rng.choice((8, 32, 64))
            registers[register] = rng.choice(CORNERS) if rng.random() < 0.6 else rng.getrandbits(width)
        found.append(registers)
    return found
