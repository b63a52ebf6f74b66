# The compiled code of one machine: where it lies, page by page, and how its blocks are linked.

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from vmcore._fast.hart.state cimport CodeBundle, Hart, System, enter_t
from vmcore._fast.jit.block cimport Block
from vmcore._fast.jit.block cimport Link as Exit
from vmcore._fast.jit.codebuf cimport CodeSegment
from vmcore._fast.jit.convention cimport STUB_COUNT
from vmcore._fast.jit.image cimport Compiled, Link, Profile
from vmcore._fast.jit.l3 cimport Table
from vmcore._fast.memory.tlb cimport TlbEntry

# What is known of a page's blocks: it is made, linked, moved and dropped as a whole.
cdef struct PageBlocks:
    Compiled *blocks
    uint32_t nblocks
    uint32_t blocks_room
    Link *links
    uint32_t nlinks
    uint32_t links_room
    uint32_t insns
    uint32_t code_bytes       # each block rounded up to CODE_UNIT
    uint32_t shared           # instructions that the store is known to have
    uint8_t probed            # there were probes when it was compiled
    # Of the instruction that lies in this page and the next: its code, in CODE_UNIT, 0: there is none; the second half
    # that it is for; how often it was asked for without it, and how often it was compiled.
    uint32_t split
    uint16_t split_second
    uint16_t split_asked
    uint16_t split_made
    # T2 (t2/tier.pyx): how often a hart was seen in the page lately, and the number of the last time; whether a region
    # of it is being compiled; and how many blocks there were when it was last looked at.
    uint16_t sightings
    uint8_t waiting
    uint8_t outside           # it was seen in block code since the last one was asked for
    uint32_t vain_blocks
    uint32_t t1_ns            # for 2**16 instructions, nearly at best: without regions; 0: it is not known
    uint32_t t2_ns            # ... since its last region was made
    uint8_t storms            # sightings at which its regions had been left all the time
    uint8_t doubts            # times that they might have been given up then, had they been slow for long enough
    uint8_t strays            # ... had guessed wrong all the time
    uint8_t crossings         # ... were left all the time for what lies in two pages
    uint8_t again             # regions that were given up may be made once more
    uint64_t seen_at
    Profile profile

# Code that is ready to be put in place.
cdef struct Made:
    const uint8_t *code
    uint32_t size
    uint32_t start            # offset in the page where it begins, and of what follows its last instruction
    uint32_t end
    uint32_t insns
    uint32_t why              # END_*
    uint32_t nlinks
    const Exit *links

cdef enum:
    STRESS_LEAST = 8 << 10    # bytes of code that a machine may keep, the stubs among them
    HOLE_SIZES = 40

# What a test does to compiled code (stress.pyx). 0: nothing.
cdef struct Stress:
    uint8_t stop              # the run ends wherever compiled code was left
    uint8_t evict             # an entry that a miss of the TLB made goes at the next miss
    uint32_t poll_every       # each n-th time that code is entered its first poll leaves it
    uint32_t flush_every      # ... the TLB is empty
    uint32_t forget_every     # ... the table of compiled code is empty afterwards
    uint32_t region_every     # each n-th time that code is left a region is compiled there, if there is one
    uint32_t miss_every       # each n-th miss of the TLB is T0's to serve
    enter_t enter             # the way in
    uint64_t entered
    uint64_t missed
    TlbEntry *made            # by the last miss
    uint64_t made_index

cdef struct CodeCache:
    uint64_t stubs[STUB_COUNT + 1]
    CodeSegment *segments     # all but the last one are full
    uint32_t nsegments
    uint32_t segments_room
    uint64_t at               # where the next block goes: address at which it runs, and where that segment ends
    uint64_t end
    uint64_t stubs_bytes
    uint32_t generation       # of the code memory
    uint64_t limit            # bytes of segments; less than one of them only where a test says so
    uint64_t n_blocks
    uint64_t n_insns
    uint64_t n_bytes
    uint64_t n_failed
    uint64_t n_evictions
    uint64_t n_moved          # pages that survived one
    uint64_t compile_ns
    # For the fragmentation monitor (codesurvey.pyx), which reads them whenever it likes: bytes of segments, of code
    # that can be entered, and of what lies between that; and how many blocks of dropped code there are, by the bits of
    # their sizes.
    uint64_t held
    uint64_t live
    uint64_t dropped
    uint64_t holes[HOLE_SIZES]
    # The third level, NULL: there is none (jit/l3.pxd). Pages that were found there, or not.
    Table *store
    uint64_t l3_hits
    uint64_t l3_misses
    uint64_t l3_insns
    uint64_t share_after      # blocks after which pages are handed to the store next
    uint64_t cool_after       # blocks after which heat is halved next
    void *tier                # T2, NULL: there is none (t2/tier.pxd)
    Stress stress
    Block block
    uint8_t stage[1 << 15]

# A compiler for the machine: False when the host has no memory for code. `store`: the third level, NULL for none.
cdef bint cache_open(System *sys, uint32_t hot_after, Table *store) noexcept nogil
# Have the stubs in place, which the first block would do. False: no memory for code.
cdef bint cache_start(System *sys) noexcept nogil
# Put code into a page that has compiled code already: what begins at the same place is replaced. Its place in
# bundle.code, or 0. May move or drop the code of any page; with parallel harts the code lock is held.
cdef uint32_t put_made(System *sys, CodeBundle *bundle, const Made *made) noexcept nogil
# Have block code where a region is. False: no room.
cdef bint unmake(Hart *hart, CodeBundle *bundle, uint32_t off) noexcept nogil
# Have at most so many bytes from now on; what there is goes. It has been started.
cdef void cache_limit(System *sys, uint64_t limit) noexcept nogil
# Every page must have been dropped before.
cdef void cache_close(System *sys) noexcept nogil
# Make room: `left` bytes of code at most, what was entered most, are kept and moved together. No hart may be inside
# compiled code.
cdef void cache_evict(System *sys, uint64_t left) noexcept nogil
# What the code of a machine depends on besides its page.
cdef uint32_t image_flags(const System *sys) noexcept nogil
# What there is, for people.
cdef dict cache_figures(System *sys)
