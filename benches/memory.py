"""How fast are the allocator, the queue, the collector and the compaction beside the best libraries that do the same?

``python benches/memory.py [--json F] [--rounds N] [--only slab|ring|gc|monitor ...]``. Each part is a file in
``components`` and says there what it wants to be installed.
"""

from __future__ import annotations

import importlib

from measure import parser, report

PARTS = ("slab", "ring", "gc", "monitor")


def main() -> None:
    """Run the parts in turn and write their figures."""
    made = parser(__doc__ or "", rounds=5)
    made.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="these parts instead of all")
    arguments = made.parse_args()
    figures: dict[str, float] = {}
    for name in arguments.only:
        figures |= importlib.import_module(f"components.{name}").run(arguments.rounds)
    report(arguments, figures)


if __name__ == "__main__":
    main()
