"""Which files can be tested on this host."""

from __future__ import annotations

import platform

# Machine code is made for x86-64 only, so far; elsewhere there is nothing to run.
collect_ignore = [] if platform.machine() in ("x86_64", "AMD64") else ["test_codebuf.py"]
