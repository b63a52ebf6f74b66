"""The process that a bench measures vmcore by: it makes one machine, runs one kernel, and says what it took.

Its one argument is JSON: ``machine`` holds the arguments of :class:`vmcore.Machine`, ``handshake`` says whether the
guest announces that it has booted, and that it is ready, and waits. The answer is JSON too: ``seconds`` and ``stats``
of each moment, the end included, though more seconds follow then.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import vmcore
from vmcore.machine.stop import StopReason

# Virtual seconds.
LIMIT = 3600.0


def main() -> None:
    order = json.loads(sys.argv[1])
    answer: dict[str, Any] = {"seconds": {}, "stats": {}}

    def note(moment: str, vm: vmcore.Machine) -> None:
        answer["seconds"][moment] = time.process_time()
        answer["stats"][moment] = vm.stats()

    with vmcore.Machine(**order["machine"]) as vm:
        if order["handshake"]:
            for moment in ("init", "ready"):
                # The machine stands still between two runs.
                vm.console.expect(f"bench: {moment}", timeout=LIMIT)
                note(moment, vm)
                vm.console.send("")
            vm.console.expect("bench: right", timeout=LIMIT)
        stop = vm.run(timeout=LIMIT)
        if stop.reason not in (StopReason.EXIT, StopReason.POWEROFF) or stop.code != 0:
            raise SystemExit(f"the guest ended with {stop}")
        note("end", vm)
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
