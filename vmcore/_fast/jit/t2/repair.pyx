"""Versions of values, found on demand from their uses backwards.

An argument that turns out to be the same on all ways is left to the propagation of copies (constants.pyx).
"""

from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memset

from vmcore._fast.jit.t2.ir cimport append_arg, Graph
from vmcore._fast.jit.t2.loops cimport add_edge_arg
from vmcore._fast.jit.t2.scratch cimport scratch_give, scratch_zeroed


cdef bint versions_init(Versions *v, Graph *g) noexcept nogil:
    v.g = g
    v.out = <uint32_t *>scratch_zeroed(&g.scratch, g.nblocks, sizeof(uint32_t))
    v.within = <uint32_t *>scratch_zeroed(&g.scratch, g.nblocks, sizeof(uint32_t))
    if v.out == NULL or v.within == NULL:
        g.failed = True
    return not g.failed


cdef void versions_free(Versions *v) noexcept nogil:
    scratch_give(&v.g.scratch, v.out)
    scratch_give(&v.g.scratch, v.within)


cdef void versions_clear(Versions *v, uint8_t type) noexcept nogil:
    memset(v.out, 0, v.g.nblocks * sizeof(uint32_t))
    memset(v.within, 0, v.g.nblocks * sizeof(uint32_t))
    v.type = type


cdef uint32_t version_at_end(Versions *v, uint32_t block) noexcept nogil:
    if v.out[block] == 0:
        v.out[block] = version_at_start(v, block)
    return v.out[block]


cdef uint32_t version_at_start(Versions *v, uint32_t block) noexcept nogil:
    # A cycle has a block where ways meet; its argument is known before its ways are followed.
    cdef Graph *g = v.g
    cdef uint32_t preds = g.blocks[block].preds
    cdef uint32_t i, e, pred, node
    if v.within[block] or g.failed:
        return v.within[block]
    if g.blocks[block].npreds == 1:
        v.within[block] = version_at_end(v, g.pool[preds])
        return v.within[block]
    if g.blocks[block].npreds == 0:
        # It is made on no way to here: then the graph is of no use.
        g.failed = True
        return 0
    v.within[block] = append_arg(g, block, v.type)
    for i in range(g.blocks[block].npreds):
        pred = g.pool[preds + i]
        node = version_at_end(v, pred)
        for e in range(g.blocks[pred].nedges):
            # A block with two edges to this one is twice among those before it.
            if g.blocks[pred].edges[e].to == block and g.blocks[pred].edges[e].nargs < g.blocks[block].nargs:
                add_edge_arg(g, pred, e, node)
    return v.within[block]


cdef void see_snap(Versions *v, uint32_t snap, uint32_t node, uint32_t block) noexcept nogil:
    cdef Graph *g = v.g
    cdef uint32_t i, at, seen
    if snap == 0:
        return
    for i in range(g.snaps[snap].nregs):
        at = g.snaps[snap].regs + i
        if g.pool[at] >> 8 == node:
            # (What is made for it may move the pool, and nodes: no place is looked up before.)
            seen = version_at_start(v, block)
            g.pool[at] = (g.pool[at] & 0xFF) | seen << 8


cdef void see_edges(Versions *v, uint32_t node, uint32_t block) noexcept nogil:
    cdef Graph *g = v.g
    cdef uint32_t e, i, seen
    for e in range(g.blocks[block].nedges):
        for i in range(g.blocks[block].edges[e].nargs):
            if g.pool[g.blocks[block].edges[e].args + i] == node:
                seen = version_at_end(v, block)
                g.pool[g.blocks[block].edges[e].args + i] = seen


cdef void use_versions(Versions *v, uint32_t node) noexcept nogil:
    cdef Graph *g = v.g
    cdef uint32_t i, k, block, seen
    cdef uint32_t blocks = g.norder
    for i in range(blocks):
        block = g.order[i]
        if v.out[block] and v.within[block] == 0:
            # It has a version of its own, and what uses it there means that one.
            continue
        k = g.blocks[block].first
        while k and not g.failed:
            if g.nodes[k].a == node:
                seen = version_at_start(v, block)
                g.nodes[k].a = seen
            if g.nodes[k].b == node:
                seen = version_at_start(v, block)
                g.nodes[k].b = seen
            if g.nodes[k].c == node:
                seen = version_at_start(v, block)
                g.nodes[k].c = seen
            see_snap(v, g.nodes[k].snap, node, block)
            k = g.nodes[k].next
        if g.blocks[block].cond == node:
            seen = version_at_start(v, block)
            g.blocks[block].cond = seen
        see_snap(v, g.blocks[block].snap, node, block)
        see_edges(v, node, block)
