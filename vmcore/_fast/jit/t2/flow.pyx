"""Control flow between basic blocks, before there is a graph: order, dominators, loops."""

from libc.stdint cimport uint16_t, uint32_t


cdef uint32_t number_from(Flow *f, uint32_t root, uint32_t left) noexcept nogil:
    # Depth first; what is done comes before what was done before it. `order` says how many ways are done, plus 1.
    cdef uint32_t depth = 1
    cdef uint32_t place, to
    cdef Place *p
    f.stack[0] = <uint16_t>root
    f.places[root].order = 1
    f.places[root].root = <uint16_t>root
    while depth:
        place = f.stack[depth - 1]
        p = &f.places[place]
        if p.order <= p.nways:
            # The last way is followed last, and comes next in the order: where a branch is not taken.
            to = p.ways[p.order - 1].to
            p.order += 1
            if to and f.places[to].order == 0:
                f.places[to].order = 1
                f.places[to].root = <uint16_t>root
                f.stack[depth] = <uint16_t>to
                depth += 1
        else:
            depth -= 1
            left -= 1
            f.order[left] = <uint16_t>place
    return left


cdef void number_places(Flow *f, bint from_first) noexcept nogil:
    cdef uint32_t left = f.nplaces
    cdef uint32_t i, k
    cdef Place *p
    for i in range(f.nplaces):
        f.places[i].order = 0
        f.places[i].root = 0
        f.places[i].npreds = 0
    if from_first:
        left = number_from(f, 1, left)
    else:
        for i in range(1, f.nplaces):
            for k in range(f.places[i].nways):
                f.places[f.places[i].ways[k].to].npreds += 1
        # What is called, what nothing of the page leads to, and what only leads to itself.
        for i in range(1, f.nplaces):
            if f.places[i].called and f.places[i].order == 0:
                left = number_from(f, i, left)
        for i in range(1, f.nplaces):
            if f.places[i].npreds == 0 and f.places[i].order == 0:
                left = number_from(f, i, left)
        for i in range(1, f.nplaces):
            if f.places[i].order == 0:
                left = number_from(f, i, left)
    f.norder = f.nplaces - left
    for i in range(f.norder):
        f.order[i] = f.order[left + i]
        p = &f.places[f.order[i]]
        p.order = <uint16_t>(i + 1)


cdef void find_preds(Flow *f) noexcept nogil:
    cdef uint32_t i, k
    cdef uint32_t at = 0
    cdef Place *p
    cdef Place *to
    for i in range(f.nplaces):
        f.places[i].npreds = 0
    for i in range(f.norder):
        p = &f.places[f.order[i]]
        for k in range(p.nways):
            to = &f.places[p.ways[k].to]
            if p.ways[k].to and to.root == p.root:
                to.npreds += 1
    for i in range(f.norder):
        p = &f.places[f.order[i]]
        p.preds = at
        at += p.npreds
        p.npreds = 0
    for i in range(f.norder):
        p = &f.places[f.order[i]]
        for k in range(p.nways):
            to = &f.places[p.ways[k].to]
            if p.ways[k].to and to.root == p.root:
                f.list[to.preds + to.npreds] = f.order[i]
                to.npreds += 1


cdef inline uint32_t common(const Flow *f, uint32_t one, uint32_t two) noexcept nogil:
    while one != two:
        while f.places[one].order > f.places[two].order:
            one = f.places[one].idom
        while f.places[two].order > f.places[one].order:
            two = f.places[two].idom
    return one


cdef void find_dominators(Flow *f) noexcept nogil:
    cdef bint changed = True
    cdef uint32_t i, k, pred, found
    cdef Place *p
    for i in range(f.norder):
        p = &f.places[f.order[i]]
        p.idom = p.root if p.root == f.order[i] else 0
    while changed:
        changed = False
        for i in range(f.norder):
            p = &f.places[f.order[i]]
            if p.root == f.order[i]:
                continue
            found = 0
            for k in range(p.npreds):
                pred = f.list[p.preds + k]
                if f.places[pred].idom:
                    found = common(f, found, pred) if found else pred
            if p.idom != found:
                p.idom = <uint16_t>found
                changed = True


cdef bint dominates_place(const Flow *f, uint32_t one, uint32_t two) noexcept nogil:
    while f.places[two].order > f.places[one].order and f.places[two].idom != two:
        two = f.places[two].idom
    return one == two


cdef inline uint32_t outermost(const Flow *f, uint32_t place) noexcept nogil:
    # The header of the outermost loop around it that is known so far; itself, if there is none.
    if f.places[place].loop:
        place = f.places[place].loop
    while f.places[place].outer:
        place = f.places[place].outer
    return place


cdef void mark_loop(Flow *f, uint32_t header) noexcept nogil:
    # Backwards from where control comes back to the header. What lies in an inner loop is there by that loop's header.
    cdef uint32_t depth = 0
    cdef uint32_t k, place
    cdef Place *p = &f.places[header]
    for k in range(p.npreds):
        if dominates_place(f, header, f.list[p.preds + k]):
            f.stack[depth] = f.list[p.preds + k]
            depth += 1
    if depth == 0:
        return
    p.loop = <uint16_t>header
    while depth:
        depth -= 1
        place = outermost(f, f.stack[depth])
        if place == header:
            continue
        p = &f.places[place]
        if p.loop == place:
            p.outer = <uint16_t>header
        else:
            p.loop = <uint16_t>header
        for k in range(p.npreds):
            f.stack[depth] = f.list[p.preds + k]
            depth += 1


cdef void find_loops(Flow *f) noexcept nogil:
    # Inner headers come later in the order.
    cdef uint32_t i
    for i in range(f.nplaces):
        f.places[i].loop = 0
        f.places[i].outer = 0
    for i in range(f.norder, 0, -1):
        mark_loop(f, f.order[i - 1])


cdef void flow_analyse(Flow *f, bint from_first) noexcept nogil:
    number_places(f, from_first)
    find_preds(f)
    find_dominators(f)
    find_loops(f)


cdef bint flow_cut(Flow *f) noexcept nogil:
    cdef uint32_t i, k, to
    cdef Place *p
    cdef bint any_cut = False
    for i in range(f.norder):
        p = &f.places[f.order[i]]
        for k in range(p.nways):
            to = p.ways[k].to
            if to and f.places[to].order <= p.order and not dominates_place(f, to, f.order[i]):
                p.ways[k].to = 0
                any_cut = True
    return any_cut
