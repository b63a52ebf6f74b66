"""The rows, one file a group of extensions. :mod:`vmcore.isa.riscv.table` collects them."""
