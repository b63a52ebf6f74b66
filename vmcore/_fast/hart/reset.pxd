# The reset state of a hart.

from vmcore._fast.hart.state cimport Hart

# Registers, CSRs, translation and tables, as the privileged specification has them (1.13, section 3.4); what it leaves
# open is zero. Counters of retired instructions go on.
cdef void reset_hart(Hart *h) noexcept nogil
