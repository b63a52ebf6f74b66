/* What the store of machine code asks of the system: memory that is written in one place and run in another, a try
 * whether code in it really runs, and notice of fork().
 *
 * No file descriptor is kept: a program that closes "all" of its descriptors would hand our number to a file of its
 * own.
 */
#ifndef VMCORE_CODEBUF_H
#define VMCORE_CODEBUF_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sched.h>
#include <sys/syscall.h>
#endif

#ifndef O_CLOEXEC
#define O_CLOEXEC 0
#endif
#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0
#endif

/* The step of a method that failed; errno says how, up to VMCORE_CODE_COMMIT. */
enum {
    VMCORE_CODE_OK,
    VMCORE_CODE_CREATE,
    VMCORE_CODE_RESIZE,
    VMCORE_CODE_MAP_WRITE,
    VMCORE_CODE_MAP_EXEC,
    VMCORE_CODE_MPROTECT,
    VMCORE_CODE_COMMIT,
    VMCORE_CODE_RAN_WRONG,
    VMCORE_CODE_FAULTED,
    VMCORE_CODE_NO_BACK_END,
    VMCORE_CODE_FILE_LIMIT
};

/* A file without a name in `folder`, or -1. */
static int vmcore_code_file(const char *folder) {
    char path[4096];
    int fd = -1;
#ifdef O_TMPFILE
    fd = open(folder, O_TMPFILE | O_RDWR | O_EXCL | O_CLOEXEC, 0700);
    if (fd >= 0)
        return fd;
#endif
    if ((size_t)snprintf(path, sizeof path, "%s/vmcore-code-XXXXXX", folder) >= sizeof path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    fd = mkstemp(path);
    if (fd >= 0) {
        unlink(path);
        fcntl(fd, F_SETFD, FD_CLOEXEC);
    }
    return fd;
}

/* errno stays. */
static void vmcore_code_close(int fd) {
    int why = errno;
    close(fd);
    errno = why;
}

static int vmcore_code_memfd(void) {
#if defined(__linux__) && defined(SYS_memfd_create)
    /* MFD_CLOEXEC | MFD_EXEC. Kernels before 6.3 do not know MFD_EXEC and refuse it. */
    int fd = (int)syscall(SYS_memfd_create, "vmcore-code", 0x0001u | 0x0010u);
    if (fd < 0 && errno == EINVAL)
        fd = (int)syscall(SYS_memfd_create, "vmcore-code", 0x0001u);
    return fd;
#else
    errno = ENOSYS;
    return -1;
#endif
}

/* Map `size` bytes of the file twice. A failure leaves nothing mapped; the file is the caller's. */
static int vmcore_code_map_file(int fd, size_t size, uint8_t **exec, uint8_t **write) {
    void *w, *x;
    if (ftruncate(fd, (off_t)size))
        return VMCORE_CODE_RESIZE;
    w = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
    if (w == MAP_FAILED)
        return VMCORE_CODE_MAP_WRITE;
    x = mmap(NULL, size, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_NORESERVE, fd, 0);
    if (x == MAP_FAILED) {
        int why = errno;
        munmap(w, size);
        errno = why;
        return VMCORE_CODE_MAP_EXEC;
    }
    *exec = (uint8_t *)x;
    *write = (uint8_t *)w;
    return VMCORE_CODE_OK;
}

static int vmcore_code_map_anonymous(size_t size, uint8_t **exec, uint8_t **write) {
    void *x = mmap(NULL, size, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (x == MAP_FAILED)
        return VMCORE_CODE_MAP_EXEC;
    *exec = *write = (uint8_t *)x;
    return VMCORE_CODE_OK;
}

/* The most that a file of ours may have: beyond it ftruncate() fails and raises SIGXFSZ. */
static uint64_t vmcore_code_file_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_FSIZE, &limit) || limit.rlim_cur == RLIM_INFINITY)
        return UINT64_MAX;
    return limit.rlim_cur;
}

/* Give memory to a part of a shared mapping. A store into a sparse file raises SIGBUS when the file system (or the
 * control group) has no more; a system call that stores there fails instead. */
static int vmcore_code_commit(uint8_t *write, size_t size) {
    size_t done = 0;
    int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    while (done < size) {
        ssize_t n = read(fd, write + done, size - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    vmcore_code_close(fd);
    return done == size ? 0 : -1;
}

/* Give the memory back, best effort: where the file system has no holes, it is reused later. */
static void vmcore_code_release(uint8_t *write, size_t size, int is_private) {
#ifdef MADV_REMOVE
    madvise(write, size, is_private ? MADV_DONTNEED : MADV_REMOVE);
#else
    if (is_private)
        madvise(write, size, MADV_DONTNEED);
#endif
}

static int vmcore_code_writable(uint8_t *at, size_t size, int writable) {
    return mprotect(at, size, writable ? PROT_READ | PROT_WRITE : PROT_READ | PROT_EXEC);
}

/* --- a try ---------------------------------------------------------------------------------------------------- */

#if defined(__x86_64__)
#define VMCORE_CODE_BACK_END 1
#else
#define VMCORE_CODE_BACK_END 0
#endif

typedef uint32_t (*vmcore_code_stub)(void);

/* mov eax, value; ret */
static void vmcore_code_write_stub(uint8_t *at, uint32_t value) {
    at[0] = 0xB8;
    memcpy(at + 1, &value, 4);
    at[5] = 0xC3;
}

/* ThreadSanitizer takes a clone() for a fork() and forgets which threads it has, in the memory that is still ours. */
#if defined(__linux__) && !defined(__SANITIZE_THREAD__)
#define VMCORE_CODE_CLONE 1
#else
#define VMCORE_CODE_CLONE 0
#endif

#if VMCORE_CODE_CLONE
typedef struct {
    vmcore_code_stub stub;
    uint32_t expected;
} VmcoreCodeTry;

/* AddressSanitizer knows nothing of the stack that these two run on. */
__attribute__((no_sanitize_address)) static void vmcore_code_fault(int signal) {
    (void)signal;
    _exit(VMCORE_CODE_FAULTED);
}

__attribute__((no_sanitize_address)) static int vmcore_code_child(void *argument) {
    VmcoreCodeTry *t = (VmcoreCodeTry *)argument;
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = vmcore_code_fault;
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
    sigaction(SIGILL, &action, NULL);
    sigprocmask(SIG_SETMASK, &action.sa_mask, NULL);
    _exit(t->stub() == t->expected ? VMCORE_CODE_OK : VMCORE_CODE_RAN_WRONG);
}
#endif

/* Run the stub where a fault does no harm: in a process of its own that shares our memory but not our signal handlers,
 * while this thread waits. It has no exit signal, so neither SIGCHLD nor waitpid(-1) of the program ever sees it. The
 * fault must be caught: before Linux 5.16 one that dumps core takes every process with it that shares the memory.
 * Where there may be no more processes, the stub runs here. */
static int vmcore_code_try(uint8_t *exec, uint32_t expected) {
    vmcore_code_stub stub = (vmcore_code_stub)(uintptr_t)exec;
#if VMCORE_CODE_CLONE
    static char stack[65536] __attribute__((aligned(64)));
    VmcoreCodeTry t = {stub, expected};
    pid_t pid = clone(vmcore_code_child, stack + sizeof stack, CLONE_VM | CLONE_VFORK, &t);
    if (pid > 0) {
        int status = 0;
        pid_t got;
        do
            got = waitpid(pid, &status, __WALL);
        while (got < 0 && errno == EINTR);
        return got == pid && WIFEXITED(status) ? WEXITSTATUS(status) : VMCORE_CODE_FAULTED;
    }
#endif
    return stub() == expected ? VMCORE_CODE_OK : VMCORE_CODE_RAN_WRONG;
}

/* --- one lock, and fork() ------------------------------------------------------------------------------------- */

static pthread_mutex_t vmcore_code_mutex = PTHREAD_MUTEX_INITIALIZER;

static void vmcore_code_lock(void) { pthread_mutex_lock(&vmcore_code_mutex); }
static void vmcore_code_unlock(void) { pthread_mutex_unlock(&vmcore_code_mutex); }

#endif
