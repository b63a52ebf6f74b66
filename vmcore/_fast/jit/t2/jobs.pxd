# Regions that wait for being compiled, and the threads that do it: shared by all machines of the process.
#
# A machine has a Client. A job holds a copy of all that its region is made from, so nothing of a machine is touched by
# a compile thread; what comes of it waits at the client until the machine fetches it.

from vmcore._fast.jit.t2.job cimport Client, Job

# For a machine. NULL: no memory, or no threads.
cdef Client *client_open() noexcept nogil
# Its jobs come to nothing. The last one's going ends the threads.
cdef void client_close(Client *client) noexcept nogil
# Hand it over. False: too many wait already, and it is still the caller's.
cdef bint job_push(Client *client, Job *job) noexcept nogil
# One that is done, or NULL. It is the caller's to free.
cdef Job *job_fetch(Client *client) noexcept nogil
cdef Job *job_new() noexcept nogil
cdef void job_free(Job *job) noexcept nogil
