"""Run every bench, one after the other: ``python -m benches``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
BENCHES = ("embedding", "scaling", "spills", "tiers", "compare")

if __name__ == "__main__":
    for name in sys.argv[1:] or BENCHES:
        print(f"== {name}", flush=True)
        if subprocess.run([sys.executable, str(HERE / f"{name}.py")], check=False).returncode:
            raise SystemExit(f"{name} failed")
