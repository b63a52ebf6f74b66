"""The process that a bench measures vmcore by: it makes one machine, runs one kernel, and says what it took.

Its one argument is JSON: ``machine`` holds the arguments of :class:`vmcore.Machine`, ``handshake`` says whether the
guest announces that it is ready and waits. The answer is JSON too.
"""

from __future__ import annotations

import json
import sys
import time

import vmcore
from vmcore.machine.stop import StopReason

# Virtual seconds.
LIMIT = 3600.0


def main() -> None:
    order = json.loads(sys.argv[1])
    answer = {}
    with vmcore.Machine(**order["machine"]) as vm:
        if order["handshake"]:
            vm.console.expect("bench: ready", timeout=LIMIT)
            # The machine stands still between two runs.
            answer["before"] = time.process_time()
            answer["stats_before"] = vm.stats()
            vm.console.send("")
            vm.console.expect("bench: right", timeout=LIMIT)
        stop = vm.run(timeout=LIMIT)
        if stop.reason not in (StopReason.EXIT, StopReason.POWEROFF) or stop.code != 0:
            raise SystemExit(f"the guest ended with {stop}")
        answer["stats"] = vm.stats()
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
