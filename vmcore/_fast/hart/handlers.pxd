# The table of handlers: a module of handlers registers each of its own by name when it is imported.

from vmcore._fast.hart.state cimport handler_t

cdef int register_handler(str name, handler_t fn) except -1
cdef handler_t find_handler(str name) except NULL
