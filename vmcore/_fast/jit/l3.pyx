"""The third level of the translation cache: compiled pages by content, in memory across machines, on disk across runs.

A store holds images (:mod:`vmcore._fast.jit.image`). The hash of a page's bytes finds one, the bytes themselves
decide. On disk they lie in packs: files that are written once, under another name first, and never change. A pack is
believed if it belongs to this user alone, was made by this very engine for this very kind of processor, and its index has
the checksum that it says; each image in it has a checksum of its own, which is compared when it is read. Anything else
is a miss.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memmove, memset

from vmcore._fast.hart.handlers import names as handler_names
from vmcore._fast.jit.codebuf cimport CODE_SEGMENT_SIZE
from vmcore._fast.jit.host cimport find_features, host_bits
from vmcore._fast.jit.image cimport IMAGE_LIMIT, PAGE_BYTES, hash_bytes, image_is_sound, page_hash
from vmcore._fast.memory.alloc cimport vm_alloc, vm_calloc, vm_free, vm_realloc

import atexit
import os
import threading
import time
from collections import namedtuple

from vmcore._fast import build
from vmcore._fast.jit import packfiles

cdef extern from *:
    """
    #include <pthread.h>
    #include <unistd.h>
    static pthread_mutex_t vmcore_l3_mutex = PTHREAD_MUTEX_INITIALIZER;
    static void vmcore_l3_lock(void) { pthread_mutex_lock(&vmcore_l3_mutex); }
    static void vmcore_l3_unlock(void) { pthread_mutex_unlock(&vmcore_l3_mutex); }
    """
    void lock_stores "vmcore_l3_lock"() noexcept nogil
    void unlock_stores "vmcore_l3_unlock"() noexcept nogil
    int pthread_atfork(void (*prepare)() noexcept nogil, void (*parent)() noexcept nogil,
                       void (*child)() noexcept nogil) nogil
    int64_t pread(int fd, void *to, size_t n, int64_t offset) nogil

cdef enum:
    FIRST_ROOM = 256
    WARM = 2
    HOT = 16
    # Bytes of images that a store keeps in memory.
    HELD_LIMIT = 48 << 20
    # Fewer new instructions than this are not worth a file.
    LEAST_FRESH = 256
    # More packs than this are made one.
    MOST_PACKS = 8
    # A pack that was used is as young as if it was written, once in this many seconds.
    TOUCH_AFTER = 3600
    INDEX_LIMIT = 1 << 20

DISK_LIMIT = 128 << 20
"""Bytes that a folder of packs may hold, when nobody says otherwise."""

cdef struct PackHeader:
    char magic[8]
    uint8_t engine[16]
    uint64_t check            # of what follows it, to the end of the index
    uint64_t size             # of the file
    uint64_t count            # of the index
    uint64_t limit            # where the index ends

cdef struct PackEntry:
    uint64_t hash
    uint64_t isa
    uint64_t offset
    uint32_t flags
    uint32_t size
    uint32_t insns
    uint32_t heat
    uint32_t stamp
    uint32_t spare

cdef enum:
    CHECKED_FROM = 32         # offset of PackHeader.size

MAGIC = b"vmcoreL3"

# For tests: with few bits left, different pages collide.
cdef uint64_t hash_mask = ~<uint64_t>0


cdef void before_fork() noexcept nogil:
    lock_stores()


cdef void after_fork() noexcept nogil:
    # In the parent and in the child: both may use what the stores hold, and the child its own copy of it.
    unlock_stores()


if pthread_atfork(before_fork, after_fork, after_fork):
    raise MemoryError("no memory for the handlers of fork()")


cdef uint32_t heat_class(uint32_t heat) noexcept nogil:
    return 2 if heat >= HOT else 1 if heat >= WARM else 0


# --- the table; the lock is held --------------------------------------------------------------------------------------

cdef bint rehash(Table *t) noexcept nogil:
    # Without the entries that are gone. False: no memory, and nothing has changed.
    cdef uint32_t i, slot
    cdef uint32_t kept = 0
    cdef uint32_t *heads
    while t.heads_room < t.room:
        t.heads_room *= 2
    heads = <uint32_t *>vm_calloc(t.heads_room, sizeof(uint32_t))
    if heads == NULL:
        return False
    vm_free(t.heads)
    t.heads = heads
    for i in range(t.count):
        if t.entries[i].image != NULL or t.entries[i].pack >= 0:
            t.entries[kept] = t.entries[i]
            kept += 1
    t.count = kept
    for i in range(kept):
        # Newer ones come first.
        slot = t.entries[i].hash & (t.heads_room - 1)
        t.entries[i].next = heads[slot]
        heads[slot] = i + 1
    return True


cdef Entry *add_entry(Table *t, uint64_t hash, uint64_t isa, uint32_t flags) noexcept nogil:
    cdef Entry *e
    cdef uint32_t slot
    cdef uint32_t room = t.room * 2 if t.room else FIRST_ROOM
    if t.count and t.count == t.room and not rehash(t):
        return NULL
    if t.count >= t.room - t.room // 4:
        e = <Entry *>vm_realloc(t.entries, room * sizeof(Entry))
        if e == NULL:
            return NULL
        t.entries = e
        if not t.heads_room:
            t.heads_room = FIRST_ROOM
        t.room = room
        if not rehash(t) and t.heads == NULL:
            return NULL
    if t.count == t.room:
        return NULL
    slot = hash & (t.heads_room - 1)
    e = &t.entries[t.count]
    memset(e, 0, sizeof(Entry))
    e.hash = hash
    e.isa = isa
    e.flags = flags
    e.pack = -1
    e.next = t.heads[slot]
    t.count += 1
    t.heads[slot] = t.count
    return e


cdef void drop_image(Table *t, Entry *e) noexcept nogil:
    if e.image != NULL:
        t.held -= e.image.size
        if e.pack < 0:
            t.fresh -= e.insns
        vm_free(e.image)
        e.image = NULL


cdef void sweep(Table *t) noexcept nogil:
    # Second chance: what was not used since the last time goes, and if that is not enough everything.
    cdef uint32_t i
    cdef uint32_t turn
    for turn in range(2):
        if t.held <= t.held_limit:
            return
        for i in range(t.count):
            if turn or not t.entries[i].recent:
                drop_image(t, &t.entries[i])
            t.entries[i].recent = 0
    # What is gone keeps its place until the table grows.


cdef Image *load(Table *t, Entry *e) noexcept nogil:
    # From its pack. NULL, and it is gone: it is not what it should be.
    cdef Image *image = NULL
    if sizeof(Image) <= e.size <= IMAGE_LIMIT:
        sweep(t)
        image = <Image *>vm_alloc(e.size)
        if image == NULL:
            return NULL
        if pread(t.fds[e.pack], image, e.size, <int64_t>e.offset) != e.size or not image_is_sound(image, e.size) or \
                image.isa != e.isa or image.flags != e.flags or image.insns != e.insns or \
                image.code_bytes > CODE_SEGMENT_SIZE:
            vm_free(image)
            image = NULL
    if image == NULL:
        e.pack = -1
        t.n_bad += 1
        return NULL
    t.held += image.size
    t.used[e.pack] = 1
    e.image = image
    return image


cdef Entry *find(Table *t, const uint8_t *page, uint64_t hash, uint64_t isa, uint32_t flags) noexcept nogil:
    cdef Entry *e
    cdef uint32_t at
    if t.heads == NULL:
        return NULL
    at = t.heads[hash & (t.heads_room - 1)]
    while at:
        e = &t.entries[at - 1]
        at = e.next
        if e.hash != hash or e.isa != isa or e.flags != flags:
            continue
        if e.image == NULL and (e.pack < 0 or load(t, e) == NULL):
            continue
        if memcmp(e.image.page, page, PAGE_BYTES) == 0:
            e.recent = 1
            e.stamp = t.now
            return e
    return NULL


cdef void drop_shadowed(Table *t, const Entry *e) noexcept nogil:
    # What was just written need not be in memory any more: it is read back from the pack when it is wanted again.
    cdef Entry *old
    cdef uint32_t at = e.next
    while at:
        old = &t.entries[at - 1]
        at = old.next
        if old.hash == e.hash and old.isa == e.isa and old.flags == e.flags and old.insns == e.insns and old.pack < 0:
            drop_image(t, old)


cdef void forget_packs(Table *t, uint32_t n) noexcept nogil:
    cdef uint32_t i
    cdef Entry *e
    lock_stores()
    for i in range(t.count):
        e = &t.entries[i]
        if 0 <= e.pack < <int32_t>n:
            drop_image(t, e)
            e.pack = -1
        elif e.pack >= 0:
            e.pack -= <int32_t>n
    t.npacks -= n
    memmove(t.fds, t.fds + n, t.npacks * sizeof(int))
    memmove(t.used, t.used + n, t.npacks)
    if t.heads != NULL:
        rehash(t)
    unlock_stores()


cdef bint copy_out(Table *t, uint32_t i, bint everything, Entry *entry, Image **copy) noexcept nogil:
    # The i-th entry from the newest on, and a copy of its image: NULL if it is not wanted or not to be had. False: there
    # are no more. (Between two calls entries may come and go: then some are missed, or met twice.)
    cdef Entry *e
    copy[0] = NULL
    lock_stores()
    if i >= t.count:
        unlock_stores()
        return False
    e = &t.entries[t.count - 1 - i]
    entry[0] = e[0]
    if (everything or e.pack < 0) and (e.image != NULL or (e.pack >= 0 and load(t, e) != NULL)):
        copy[0] = <Image *>vm_alloc(e.image.size)
        if copy[0] != NULL:
            memcpy(copy[0], e.image, e.image.size)
    unlock_stores()
    return True


# --- what machines do -------------------------------------------------------------------------------------------------

cdef Image *store_take(Table *t, const uint8_t *page, uint64_t isa, uint32_t flags, bint counts) noexcept nogil:
    cdef uint64_t hash = page_hash(page, isa, flags) & hash_mask
    cdef Entry *e
    lock_stores()
    e = find(t, page, hash, isa, flags)
    if e != NULL:
        t.n_hits += 1
        return e.image
    if counts:
        t.n_misses += 1
    unlock_stores()
    return NULL


cdef void store_give_back() noexcept nogil:
    unlock_stores()


cdef uint32_t store_knows(Table *t, const uint8_t *page, uint64_t isa, uint32_t flags) noexcept nogil:
    cdef uint64_t hash = page_hash(page, isa, flags) & hash_mask
    cdef Entry *e
    cdef uint32_t insns = 0
    lock_stores()
    e = find(t, page, hash, isa, flags)
    if e != NULL:
        insns = e.insns
    unlock_stores()
    return insns


cdef void store_put(Table *t, Image *image) noexcept nogil:
    cdef uint64_t hash = image.hash & hash_mask
    cdef Entry *e
    lock_stores()
    e = find(t, image.page, hash, image.isa, image.flags)
    if e != NULL and e.insns >= image.insns:
        if image.heat > e.heat:
            e.heat = image.heat
        unlock_stores()
        vm_free(image)
        return
    if e == NULL:
        e = add_entry(t, hash, image.isa, image.flags)
    if e == NULL:
        unlock_stores()
        vm_free(image)
        return
    drop_image(t, e)
    e.pack = -1
    e.image = image
    e.size = image.size
    e.insns = image.insns
    e.heat = image.heat
    e.stamp = t.now
    e.recent = 1
    t.held += image.size
    t.fresh += image.insns
    t.n_puts += 1
    sweep(t)
    unlock_stores()


# --- which engine -----------------------------------------------------------------------------------------------------

_engine_id = None


def engine_id():
    """Return what code on disk must have been made by, the features of the processor included.

    Returns
    -------
    bytes
        16 of them. Another build of the engine has another one, and so has a processor for which code would be made
        otherwise.
    """
    global _engine_id
    cdef bytes text
    cdef uint64_t seed
    if _engine_id is None:
        find_features()
        made_by = (build.ENGINE, build.PROFILE, host_bits, sizeof(void *), list(handler_names))
        text = repr(made_by).encode() + packfiles.built_when(os.path.dirname(os.path.dirname(__file__)))
        text += bytes(-len(text) % 8)
        _engine_id = b"".join([hash_bytes(<char *>text, len(text), seed).to_bytes(8, "little") for seed in range(2)])
    return _engine_id


# --- stores -----------------------------------------------------------------------------------------------------------

StoreFigures = namedtuple("StoreFigures", (
    "pages", "insns", "held_bytes", "disk_pages", "disk_bytes", "hot", "warm", "cold", "hits", "misses", "puts", "bad"))
StoreFigures.__doc__ = """What a store holds and did.

Pages and the guest instructions that their code stands for; bytes of images in memory; of those pages, how many are on
disk, and the bytes of the packs that this process has open; pages by how often they were entered; pages that machines
found, did not find and handed in; records on disk that were not what they should be.
"""


cdef class Store:
    """Compiled pages for any number of machines.

    Parameters
    ----------
    folder : str or None
        Where packs are kept; None: nothing is kept on disk.
    limit : int
        Bytes that the folder may hold.

    Attributes
    ----------
    folder : str or None
        The folder.
    problem : str or None
        Why the folder is not used, if it is not.
    limit : int
        As given.

    Notes
    -----
    Any thread. :func:`open_store` gives the one of a folder that all machines of the process share.
    """

    def __cinit__(self, folder=None, limit=None):
        self.table.held_limit = HELD_LIMIT
        self.table.now = <uint32_t>int(time.time())
        self.limit = DISK_LIMIT if limit is None else limit
        self.paths = []
        self.folder = folder
        if folder is None:
            return
        self.problem = packfiles.folder_problem(folder)
        if self.problem is None:
            for pack in packfiles.open_packs(folder, engine_id().hex()):
                self.adopt(pack)

    def __dealloc__(self):
        cdef uint32_t i
        for i in range(self.table.count):
            vm_free(self.table.entries[i].image)
        for i in range(self.table.npacks):
            if self.table.fds[i] >= 0:
                os.close(self.table.fds[i])
        vm_free(self.table.entries)
        vm_free(self.table.heads)
        vm_free(self.table.fds)
        vm_free(self.table.used)

    cdef int adopt(self, object pack) except -1:
        # Read a pack's index; 0: it is not one of ours, and closed.
        cdef Table *t = &self.table
        cdef PackHeader *h
        cdef PackEntry *p
        cdef Entry *e
        cdef uint64_t i
        cdef int *fds
        cdef uint8_t *used
        cdef bytes index
        fd, path, size = pack
        index = os.pread(fd, sizeof(PackHeader), 0)
        h = <PackHeader *><char *>index
        good = len(index) == sizeof(PackHeader) and index[:8] == MAGIC and index[8:24] == engine_id() and \
            h.size == size and h.count <= INDEX_LIMIT and \
            h.limit == sizeof(PackHeader) + h.count * sizeof(PackEntry) and h.limit <= h.size
        if good:
            index = os.pread(fd, h.limit, 0)
            h = <PackHeader *><char *>index
            good = len(index) >= <Py_ssize_t>sizeof(PackHeader) and <uint64_t>len(index) == h.limit and \
                h.check == hash_bytes(<char *>index + CHECKED_FROM, h.limit - CHECKED_FROM, 0)
        if not good:
            t.n_bad += 1
            os.close(fd)
            packfiles.remove(path)
            return 0
        lock_stores()
        fds = <int *>vm_realloc(t.fds, (t.npacks + 1) * sizeof(int))
        if fds != NULL:
            t.fds = fds
        used = <uint8_t *>vm_realloc(t.used, t.npacks + 1)
        if used != NULL:
            t.used = used
        if fds == NULL or used == NULL:
            unlock_stores()
            os.close(fd)
            raise MemoryError("no memory for the code cache")
        fds[t.npacks] = fd
        used[t.npacks] = 0
        p = <PackEntry *>(h + 1)
        for i in range(h.count):
            e = add_entry(t, p[i].hash & hash_mask, p[i].isa, p[i].flags)
            if e == NULL:
                break
            e.pack = <int32_t>t.npacks
            e.offset = p[i].offset
            e.size = p[i].size
            e.insns = p[i].insns
            e.heat = p[i].heat
            e.stamp = p[i].stamp
            drop_shadowed(t, e)
        t.npacks += 1
        unlock_stores()
        self.paths.append(path)
        return 1

    cdef list collect(self, bint everything):
        # (stamp, heat, image) of what is not on disk yet, or of all; of the same page the newest.
        cdef list items = []
        cdef set seen = set()
        cdef uint32_t i = 0
        cdef Entry e
        cdef Image *copy
        cdef bytes image
        while copy_out(&self.table, i, everything, &e, &copy):
            i += 1
            if copy == NULL:
                continue
            image = (<char *>copy)[:copy.size]
            vm_free(copy)
            key = (image[sizeof(Image) - PAGE_BYTES:sizeof(Image)], e.isa, e.flags)
            if key not in seen:
                seen.add(key)
                items.append((e.stamp, e.heat, image))
        return items

    cdef int write(self, list items) except -1:
        # One pack of them, which is then one of ours. Nothing is raised: a folder that cannot be written to is none.
        cdef PackHeader h
        cdef PackEntry p
        cdef uint64_t at
        cdef const char *image
        cdef Image *here
        cdef bytes start
        cdef bytearray index = bytearray()
        # What is used is kept. One pack may have three quarters of the folder.
        items.sort(key=lambda item: item[:2], reverse=True)
        room = self.limit - self.limit // 4
        kept = []
        for item in items:
            room -= len(item[2]) + sizeof(PackEntry)
            if room < <int64_t>sizeof(PackHeader):
                break
            kept.append(item)
        if not kept:
            return 0
        memset(&h, 0, sizeof(h))
        start = MAGIC + engine_id()
        memcpy(&h, <char *>start, CHECKED_FROM - 8)
        h.count = len(kept)
        h.limit = sizeof(PackHeader) + h.count * sizeof(PackEntry)
        at = h.limit
        for stamp, heat, data in kept:
            image = data
            here = <Image *>image
            memset(&p, 0, sizeof(p))
            p.hash = here.hash
            p.isa = here.isa
            p.offset = at
            p.flags = here.flags
            p.size = here.size
            p.insns = here.insns
            p.heat = heat
            p.stamp = stamp
            at += here.size
            index += (<char *>&p)[:sizeof(p)]
        h.size = at
        whole = bytearray((<char *>&h)[:sizeof(h)]) + index
        h.check = hash_bytes(<char *>whole + CHECKED_FROM, h.limit - CHECKED_FROM, 0)
        whole[:sizeof(h)] = (<char *>&h)[:sizeof(h)]
        pack = packfiles.write_pack(self.folder, engine_id().hex(), [whole, *(item[2] for item in kept)])
        if pack is None:
            return 0
        return self.adopt(pack)

    cdef int drop_packs(self, uint32_t n) except -1:
        # The first n that are open: their files go.
        cdef uint32_t i
        for i in range(n):
            os.close(self.table.fds[i])
            packfiles.remove(self.paths[i])
        forget_packs(&self.table, n)
        del self.paths[:n]
        return 0

    def flush(self):
        """Write what is new to the folder, if it is worth a file, and keep the folder within its limit."""
        cdef Table *t = &self.table
        cdef uint32_t i
        if self.folder is None or self.problem is not None:
            return
        with _flushing:
            t.now = <uint32_t>int(time.time())
            if t.fresh >= LEAST_FRESH:
                self._write_fresh(t.npacks >= MOST_PACKS)
                packfiles.shrink(self.folder, self.limit)
            for i, path in enumerate(self.paths):
                if t.used[i]:
                    t.used[i] = 0
                    packfiles.touch(path, TOUCH_AFTER)

    def _write_fresh(self, merge):
        cdef uint32_t before = self.table.npacks
        self.problem = packfiles.make_folder(self.folder)
        if self.problem is None and self.write(self.collect(merge)) and merge:
            self.drop_packs(before)

    def clear(self):
        """Forget everything, and remove the packs from the folder, those of other engines too."""
        cdef Table *t = &self.table
        cdef uint32_t i
        with _flushing:
            lock_stores()
            for i in range(t.count):
                drop_image(t, &t.entries[i])
            unlock_stores()
            self.drop_packs(t.npacks)
            if self.folder is not None and packfiles.folder_problem(self.folder) is None:
                packfiles.remove_all(self.folder)

    def figures(self):
        """Return what the store holds.

        Returns
        -------
        StoreFigures
            Counts of pages, instructions and bytes.
        """
        cdef Table *t = &self.table
        cdef uint32_t i
        cdef uint64_t insns = 0
        cdef uint32_t pages = 0
        cdef uint32_t on_disk = 0
        cdef uint32_t warmth[3]
        memset(warmth, 0, sizeof(warmth))
        lock_stores()
        for i in range(t.count):
            if t.entries[i].image == NULL and t.entries[i].pack < 0:
                continue
            pages += 1
            on_disk += t.entries[i].pack >= 0
            insns += t.entries[i].insns
            warmth[heat_class(t.entries[i].heat)] += 1
        unlock_stores()
        return StoreFigures(pages, insns, t.held, on_disk, sum(map(packfiles.size_of, self.paths)),
                            warmth[2], warmth[1], warmth[0], t.n_hits, t.n_misses, t.n_puts, t.n_bad)


_stores = {}
_opening = threading.Lock()
# Held while packs are written, so that two threads do not write the same ones.
_flushing = threading.RLock()


def _after_fork_in_child():
    global _opening, _flushing
    _opening = threading.Lock()
    _flushing = threading.RLock()


os.register_at_fork(after_in_child=_after_fork_in_child)


def open_store(folder=None, limit=None):
    """Return the store of that folder, which is opened when nobody has it open yet.

    Parameters
    ----------
    folder : str or path, optional
        None: the store that is in memory only.
    limit : int, optional
        Bytes that the folder may hold; for the first to open it.

    Returns
    -------
    Store
        Its ``problem`` says why a folder is not used.
    """
    key = None if folder is None else os.path.abspath(os.fspath(folder))
    with _opening:
        store = _stores.get(key)
        if store is None:
            store = _stores[key] = Store(key, limit)
        return store


def close_stores():
    """Write what is new, and give back everything that stores hold. Machines that are open keep theirs."""
    for store in list(_stores.values()):
        store.flush()
    _stores.clear()


atexit.register(close_stores)


def weaken_hash(uint64_t mask):
    """Let only the bits of `mask` of a hash count; returns what counted before. For tests: pages collide then."""
    global hash_mask
    before = hash_mask
    hash_mask = mask
    return before
