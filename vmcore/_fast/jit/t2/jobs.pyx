"""The queue of regions to compile, and the threads behind it.

The threads start with the first job and end with the last machine. They know nothing of Python and never touch a
machine. A child of a fork begins without them.
"""

from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memset

from vmcore._fast.defs cimport vmcore_add32, vmcore_load32, vmcore_store32
from vmcore._fast.jit.t2.compile cimport Workshop, compile_region, workshop_close, workshop_open
from vmcore._fast.jit.t2.job cimport JOBS, Client, Job
from vmcore._fast.memory.alloc cimport vm_alloc, vm_calloc, vm_free
from vmcore._fast.ring cimport RING_FOREVER, Ring, ring_close, ring_free, ring_init, ring_pop_wait, ring_push_one

cdef extern from *:
    """
    #include <pthread.h>
    #include <sched.h>
    static pthread_mutex_t vmcore_jobs_mutex = PTHREAD_MUTEX_INITIALIZER;
    static void vmcore_jobs_lock(void) { pthread_mutex_lock(&vmcore_jobs_mutex); }
    static void vmcore_jobs_unlock(void) { pthread_mutex_unlock(&vmcore_jobs_mutex); }
    static void vmcore_jobs_reset(void) {
        pthread_mutex_t fresh = PTHREAD_MUTEX_INITIALIZER;
        vmcore_jobs_mutex = fresh;
    }
    /* This process may use; with more of them than a cpu_set_t holds: many. */
    static uint32_t vmcore_processors(void) {
        cpu_set_t all;
        return sched_getaffinity(0, sizeof(all), &all) == 0 ? (uint32_t)CPU_COUNT(&all) : CPU_SETSIZE;
    }
    """
    void jobs_lock "vmcore_jobs_lock"() noexcept nogil
    void jobs_unlock "vmcore_jobs_unlock"() noexcept nogil
    void jobs_reset "vmcore_jobs_reset"() noexcept nogil
    uint32_t processors "vmcore_processors"() noexcept nogil
    int sched_yield() noexcept nogil
    ctypedef struct pthread_t:
        pass
    int pthread_join(pthread_t thread, void **result) noexcept nogil
    int pthread_atfork(void (*prepare)() noexcept nogil, void (*parent)() noexcept nogil,
                       void (*child)() noexcept nogil) nogil

cdef extern from "thread.h" nogil:
    int vmcore_thread(pthread_t *thread, void *(*run)(void *) noexcept nogil, void *argument) noexcept nogil

cdef enum:
    MOST_THREADS = 2

# All of it under the lock, but for the ring, which has its own order.
cdef Ring *ring = NULL
cdef pthread_t threads[MOST_THREADS]
cdef uint32_t nthreads = 0
cdef uint32_t nclients = 0
cdef bint only_one = False     # processor, for all threads


cdef void drop_client(Client *client) noexcept nogil:
    # ORDER: who takes the last reference is alone with it.
    if vmcore_add32(&client.refs, ~<uint32_t>0) == 1:
        vm_free(client)


cdef void finish(Job *job) noexcept nogil:
    cdef Client *client = job.client
    jobs_lock()
    if client.closed:
        jobs_unlock()
        job_free(job)
    else:
        job.next = client.done
        client.done = job
        # ORDER: the job is in the list, under the lock, before it is seen to be ready.
        vmcore_store32(&client.ready, client.ready + 1)
        jobs_unlock()
    drop_client(client)


cdef void *work(void *argument) noexcept nogil:
    cdef Ring *queue = <Ring *>argument
    cdef uint64_t record = 0
    cdef Job *job
    cdef Workshop *shop = workshop_open()
    while ring_pop_wait(queue, &record, 1, RING_FOREVER):
        job = <Job *>record
        if shop == NULL:
            shop = workshop_open()
        if not vmcore_load32(&job.client.closed):
            compile_region(shop, job)
        finish(job)
    workshop_close(shop)
    return NULL


cdef bint start() noexcept nogil:
    # The lock is held.
    global ring, nthreads, only_one
    cdef uint32_t wanted = 1 if processors() < 4 else MOST_THREADS
    if ring == NULL:
        ring = <Ring *>vm_calloc(1, sizeof(Ring))
        if ring == NULL:
            return False
        if ring_init(ring, JOBS) != 0:
            vm_free(ring)
            ring = NULL
            return False
    only_one = processors() == 1
    while nthreads < wanted and vmcore_thread(&threads[nthreads], work, ring) == 0:
        nthreads += 1
    return nthreads > 0


cdef Client *client_open() noexcept nogil:
    global nclients
    cdef Client *client = <Client *>vm_calloc(1, sizeof(Client))
    if client == NULL:
        return NULL
    client.refs = 1
    jobs_lock()
    nclients += 1
    jobs_unlock()
    return client


cdef void client_close(Client *client) noexcept nogil:
    global ring, nthreads, nclients
    cdef pthread_t ending[MOST_THREADS]
    cdef uint32_t n = 0
    cdef Ring *queue = NULL
    cdef uint32_t i
    cdef Job *job
    if client == NULL:
        return
    jobs_lock()
    vmcore_store32(&client.closed, 1)
    job = client.done
    client.done = NULL
    # A machine that was made before a fork is closed in the child: it is not counted there.
    if nclients:
        nclients -= 1
    if nclients == 0 and ring != NULL:
        queue = ring
        n = nthreads
        for i in range(n):
            ending[i] = threads[i]
        ring = NULL
        nthreads = 0
    jobs_unlock()
    free_list(job)
    if queue != NULL:
        ring_close(queue)
        for i in range(n):
            pthread_join(ending[i], NULL)
        ring_free(queue)
        vm_free(queue)
    drop_client(client)


cdef void free_list(Job *job) noexcept nogil:
    cdef Job *following
    while job != NULL:
        following = job.next
        job_free(job)
        job = following


cdef bint job_push(Client *client, Job *job) noexcept nogil:
    cdef bint pushed = False
    job.client = client
    job.next = NULL
    vmcore_add32(&client.refs, 1)
    jobs_lock()
    if nthreads or start():
        pushed = ring_push_one(ring, <uint64_t>job)
    jobs_unlock()
    if not pushed:
        drop_client(client)
    elif only_one:
        # The thread that compiles has to wait for the processor that this one has, for many times what it takes.
        sched_yield()
    return pushed


cdef Job *job_fetch(Client *client) noexcept nogil:
    cdef Job *job
    jobs_lock()
    job = client.done
    if job != NULL:
        client.done = job.next
        vmcore_store32(&client.ready, client.ready - 1)
    jobs_unlock()
    return job


cdef Job *job_new() noexcept nogil:
    cdef Job *job = <Job *>vm_alloc(sizeof(Job))
    if job != NULL:
        memset(job, 0, sizeof(Job))
    return job


cdef void job_free(Job *job) noexcept nogil:
    vm_free(job.code)
    vm_free(job)


# --- fork -------------------------------------------------------------------------------------------------------------

cdef void in_child() noexcept nogil:
    # Threads, what they were at, and machines stay in the parent.
    global ring, nthreads, nclients
    jobs_reset()
    ring = NULL
    nthreads = 0
    nclients = 0


if pthread_atfork(jobs_lock, jobs_unlock, in_child):
    raise MemoryError("no memory for what a fork needs")
