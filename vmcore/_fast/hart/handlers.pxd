# The table of handlers: a module of handlers registers each of its own by name when it is imported.

from libc.stdint cimport uint32_t

from vmcore._fast.hart.state cimport handler_t

cdef int register_handler(str name, handler_t fn) except -1
cdef handler_t find_handler(str name) except NULL

# Handlers by number, for who keeps tables beside this one. Numbers are given in the order of registration.
cdef uint32_t handler_number(str name) except 0xFFFFFFFF
cdef handler_t numbered_handler(uint32_t number) noexcept nogil
