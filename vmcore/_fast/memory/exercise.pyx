"""Threads that free the same blocks at the same moment, without the GIL: what tests drive the allocator with."""

from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memset

from vmcore._fast.defs cimport vmcore_load64, vmcore_store64
from vmcore._fast.memory.slab cimport SLAB_NO_MEMORY, slab_alloc, slab_free

from vmcore.errors import ConfigError

cdef extern from "<sched.h>" nogil:
    int sched_yield()

cdef enum:
    SPINS = 200               # looks before the processor is given away
    ANSWERS = 5               # of slab_free
    FILL = 0x5A
    STRIDE = 37
    LATEST = 2048             # looks that the other waits at most


cdef class FreeRace:
    """Two threads free each of many blocks together. One calls :meth:`own`, the other :meth:`join`, once each.

    The words that both wait on are written by one of them each.
    """

    cdef uint64_t turn        # of the block that the owner shows
    cdef uint64_t unused0[7]  # on a cache line of its own
    cdef uint64_t ready       # the last turn that the other saw
    cdef uint64_t done        # the last turn that the other freed
    cdef uint64_t unused1[6]
    cdef void *block
    cdef uint64_t blocks
    cdef size_t size

    def __init__(self, uint64_t blocks, size_t size):
        """Prepare a race for `blocks` blocks of `size` bytes each."""
        if blocks == 0 or size == 0:
            raise ConfigError(f"a race of {blocks} blocks of {size} bytes", hint="Give more than 0 of both")
        self.blocks = blocks
        self.size = size

    cdef void meet(self, uint64_t *word, uint64_t turn) noexcept nogil:
        cdef uint32_t spins = 0
        while vmcore_load64(word) < turn:
            spins += 1
            if spins % SPINS == 0:
                sched_yield()

    def own(self):
        """Allocate the blocks one by one and free each together with the other thread.

        Returns
        -------
        tuple of int
            How often each answer of ``slab_free`` came, and last, how many blocks were handed out although they were
            somebody's.
        """
        cdef uint64_t answers[ANSWERS]
        cdef uint64_t shared = 0
        cdef uint64_t turn
        cdef void *first
        cdef void *second
        cdef uint32_t i
        memset(answers, 0, sizeof(answers))
        with nogil:
            for turn in range(1, self.blocks + 1):
                self.block = slab_alloc(self.size)
                if self.block == NULL:
                    answers[SLAB_NO_MEMORY] += 1
                else:
                    memset(self.block, FILL, self.size)
                # ORDER: the block is written before this store shows it; so it is in `meet` for the way back.
                vmcore_store64(&self.turn, turn)
                self.meet(&self.ready, turn)
                answers[slab_free(self.block)] += 1
                self.meet(&self.done, turn)
                # The cell is there once, whoever gave it back.
                first = slab_alloc(self.size)
                second = slab_alloc(self.size)
                shared += first == second and first != NULL
                slab_free(first)
                slab_free(second)
        return (*[answers[i] for i in range(ANSWERS)], shared)

    def join(self):
        """Free each block together with its owner.

        Returns
        -------
        tuple of int
            How often each answer of ``slab_free`` came.
        """
        cdef uint64_t answers[ANSWERS]
        cdef uint64_t turn
        cdef uint32_t i, _i
        memset(answers, 0, sizeof(answers))
        with nogil:
            for turn in range(1, self.blocks + 1):
                self.meet(&self.turn, turn)
                vmcore_store64(&self.ready, turn)
                # The owner hears of it some hundred cycles later: we come now before it, now after it.
                for _i in range(<uint32_t>(turn * STRIDE % LATEST)):
                    vmcore_load64(&self.turn)
                answers[slab_free(self.block)] += 1
                vmcore_store64(&self.done, turn)
        return tuple([answers[i] for i in range(ANSWERS)])
