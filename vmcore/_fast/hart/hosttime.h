/* The host's monotonic clock, for machines that run by it. */
#ifndef VMCORE_HOSTTIME_H
#define VMCORE_HOSTTIME_H

#include <stdint.h>
#include <time.h>

static inline uint64_t vmcore_monotonic_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

#endif
