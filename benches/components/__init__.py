"""One part of the run-time library a file: each has `run(rounds)`, which returns figures by name."""
