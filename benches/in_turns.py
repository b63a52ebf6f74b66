"""The process of `tiers.py`: it makes one machine, boots it, and runs its kernel turn by turn.

Its one argument is JSON: ``machine`` holds the arguments of :class:`vmcore.Machine`, ``turn`` the instructions of one.
It says when the guest is at rest; then, for each line that it reads, it runs a turn and says how many CPU seconds all
of them took, and whether the kernel is done.
"""

from __future__ import annotations

import json
import sys
import time

import vmcore

# Virtual seconds.
LIMIT = 3600.0


def main() -> None:
    order = json.loads(sys.argv[1])
    seconds, said, done = 0.0, "", False
    with vmcore.Machine(**order["machine"]) as vm:
        for moment in ("init", "ready"):
            vm.console.expect(f"bench: {moment}", timeout=LIMIT)
            vm.console.send("")
        print(json.dumps({"seconds": seconds, "done": done}), flush=True)
        while not done:
            sys.stdin.readline()
            begin = time.process_time()
            stop = vm.run(max_insns=order["turn"])
            seconds += time.process_time() - begin
            said += vm.console.read()
            done = "bench: right" in said
            if not done and stop.reason is not vmcore.StopReason.BUDGET:
                raise SystemExit(f"the guest ended with {stop}, and said {said[-200:]!r}")
            print(json.dumps({"seconds": seconds, "done": done}), flush=True)


if __name__ == "__main__":
    main()
