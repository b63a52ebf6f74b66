"""The table of handlers: what executes an operation, by the name that the rows of ``vmcore.isa`` use."""

from libc.stdint cimport uint32_t

from vmcore._fast.hart.state cimport handler_t

cdef enum:
    CAPACITY = 1024

cdef handler_t table[CAPACITY]
names = {}


cdef int register_handler(str name, handler_t fn) except -1:
    if name in names:
        raise KeyError(f"handler {name!r} is registered twice")
    if len(names) >= CAPACITY:
        raise MemoryError("the handler table is full")
    index = len(names)
    table[<int>index] = fn
    names[name] = index
    return 0


cdef handler_t find_handler(str name) except NULL:
    return table[<int>names[name]]


cdef uint32_t handler_number(str name) except 0xFFFFFFFF:
    return names[name]


cdef handler_t numbered_handler(uint32_t number) noexcept nogil:
    return table[number]
