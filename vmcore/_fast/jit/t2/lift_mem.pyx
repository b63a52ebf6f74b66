"""Lifting loads and stores, of both register files."""

from libc.stdint cimport uint32_t

from vmcore._fast.hart.handlers cimport handler_number
from vmcore._fast.hart.state cimport SINK, Op
from vmcore._fast.jit.t2.ir cimport *
from vmcore._fast.jit.t2.lift cimport Lift, get_x, put_x, register_lift, snap_here
from vmcore._fast.jit.t2.ways cimport LIFT_ALWAYS, RD_NONE, RD_X

cdef enum:
    MOST_HANDLERS = 1024

cdef struct Access:
    uint32_t size
    uint32_t flags

cdef Access accesses[MOST_HANDLERS]


cdef uint32_t find_host(Lift *t, const Op *op, uint32_t size, uint32_t flags) noexcept nogil:
    # The check that each access makes for itself.
    cdef Graph *g = t.g
    cdef uint32_t base = get_x(t, op.rs1)
    cdef uint32_t snap = snap_here(t, SNAP_STEP)
    cdef uint32_t host = append(g, t.block, OP_HOST, T_INT, base, 0, 0, op.imm)
    g.nodes[host].size = <uint16_t>size
    g.nodes[host].flags = <uint8_t>flags
    g.nodes[host].snap = snap
    return host


cdef uint32_t load(Lift *t, const Op *op, uint32_t size, uint32_t flags, uint8_t type) noexcept nogil:
    cdef Graph *g = t.g
    cdef uint32_t host = find_host(t, op, size, 0)
    cdef uint32_t node = append(g, t.block, OP_LOAD, type, host, get_x(t, op.rs1), 0, op.imm)
    g.nodes[node].size = <uint16_t>size
    g.nodes[node].flags = <uint8_t>flags
    return node


cdef void store(Lift *t, const Op *op, uint32_t size, uint32_t value) noexcept nogil:
    cdef Graph *g = t.g
    cdef uint32_t host = find_host(t, op, size, MEM_WRITE)
    cdef uint32_t node = append(g, t.block, OP_STORE, T_NONE, host, get_x(t, op.rs1), value, op.imm)
    g.nodes[node].size = <uint16_t>size


cdef void l_load(Lift *t, const Op *op) noexcept nogil:
    cdef const Access *how = &accesses[t.handler]
    if op.rd == SINK:
        # It may fault; what it reads nobody wants to know.
        find_host(t, op, how.size, 0)
    else:
        put_x(t, op.rd, load(t, op, how.size, how.flags, T_INT))


cdef void l_store(Lift *t, const Op *op) noexcept nogil:
    store(t, op, accesses[t.handler].size, get_x(t, op.rd))


for _name, _size, _flags in (
    ("lb", 1, MEM_SIGNED), ("lbu", 1, 0), ("lh", 2, MEM_SIGNED), ("lhu", 2, 0), ("lw", 4, MEM_SIGNED), ("lwu", 4, 0),
    ("ld", 8, 0),
):
    accesses[handler_number(_name)].size = _size
    accesses[handler_number(_name)].flags = _flags
    register_lift(_name, l_load, LIFT_ALWAYS, RD_X)
for _name, _size in (("sb", 1), ("sh", 2), ("sw", 4), ("sd", 8)):
    accesses[handler_number(_name)].size = _size
    register_lift(_name, l_store, LIFT_ALWAYS, RD_NONE)
