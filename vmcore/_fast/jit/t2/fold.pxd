# Rewriting rules of the pure operations: what a node that is about to be made could be instead.
#
# A rule is an equation that holds for all values of its variables; it is stated where it is applied. Each has a number
# (rules.pxd) and a name (RULES), says that it fired (fire()), and is tried by tests/ir/test_rules.py.

from libc.stdint cimport uint8_t, uint32_t

from vmcore._fast.jit.t2.rules cimport Maker

# The node that has the value of (op, type, a, b, c), or 0: no rule applies. Of what commutes, the caller has put a
# constant last.
cdef uint32_t rewrite(Maker *m, uint32_t op, uint8_t type, uint32_t a, uint32_t b, uint32_t c) noexcept nogil
