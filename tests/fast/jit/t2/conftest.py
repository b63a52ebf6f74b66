"""Rows of the ISA are there before anything is decoded."""

from __future__ import annotations

import pytest

from vmcore.isa.riscv import install


@pytest.fixture(autouse=True, scope="session")
def rows() -> None:
    install()
