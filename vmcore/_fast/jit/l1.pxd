# The first level of the translation cache, as compiled code looks places up in it.

from libc.stdint cimport uint8_t

from vmcore._fast.jit.x64.asm cimport Asm

# To the address in rax, once the budget has been polled. Returns the displacement of the jump that is taken where the
# table's first way does not know it; it is to lead to STUB_LOST. `counting`: look-ups and hits are counted.
cdef uint8_t *jump_rax(Asm *a, bint counting) noexcept nogil
