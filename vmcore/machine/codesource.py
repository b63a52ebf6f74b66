"""A machine's compiled code as a source of the process's fragmentation monitor."""

from __future__ import annotations

from vmcore._fast.codesurvey import compact, survey
from vmcore._fast.memory.slabheap import Survey
from vmcore._fast.run import Core
from vmcore.heap.monitor import watch_while_alive

__all__ = ["CodeSource"]


class CodeSource:
    """The memory that one machine holds for compiled code, watched until it is closed. Any thread may use it.

    Parameters
    ----------
    core : Core
        The machine's.
    """

    def __init__(self, core: Core) -> None:
        self._core = core
        self._forget = watch_while_alive("code", self)

    def survey(self) -> Survey:
        """Return what is free; about right while the machine runs."""
        return survey(self._core)

    def compact(self) -> None:
        """Move the code together: at once between runs, else as soon as no hart is inside it."""
        compact(self._core)

    def close(self) -> None:
        """Close the core, and be watched no more.

        Raises
        ------
        VmError
            It cannot be closed yet; it stays watched then.
        """
        self._core.close()
        self._forget()
