/* Sleeping until a 32-bit word changes, and waking who sleeps. Linux has a system call for it; elsewhere a sleeper looks
 * again after a millisecond, which is slower and still right: whoever sleeps looks at the word itself when it wakes.
 */
#ifndef VMCORE_FUTEX_H
#define VMCORE_FUTEX_H

#include <stdint.h>
#include <time.h>

#if defined(__linux__)
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

static inline void vmcore_futex_wait(uint32_t *word, uint32_t value, uint64_t ns)
{
    struct timespec most = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, &most, NULL, 0);
}

static inline void vmcore_futex_wake(uint32_t *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}
#else
static inline void vmcore_futex_wait(uint32_t *word, uint32_t value, uint64_t ns)
{
    struct timespec most = {0, ns < 1000000u ? (long)ns : 1000000};
    if (__atomic_load_n(word, __ATOMIC_ACQUIRE) == value) nanosleep(&most, NULL);
}

static inline void vmcore_futex_wake(uint32_t *word) { (void)word; }
#endif

#endif
