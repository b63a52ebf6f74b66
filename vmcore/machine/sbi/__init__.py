"""The built-in firmware: the RISC-V Supervisor Binary Interface, served from Python (SBI specification 2.0)."""
