/* The same work in threads of the host: `native WORKERS` prints the seconds that it took, on the wall and of processors. */
#include "work.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static void *thread(void *at)
{
    work(at);
    return NULL;
}

static double now(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

int main(int argc, char **argv)
{
    int workers = argc > 1 ? atoi(argv[1]) : 1;
    pthread_t threads[64];
    if (workers < 1 || workers > 64)
        return 2;
    double wall = now(CLOCK_MONOTONIC), processors = now(CLOCK_PROCESS_CPUTIME_ID);
    for (int i = 0; i < workers; i++)
        if (pthread_create(&threads[i], NULL, thread, aligned_alloc(4096, WORDS * sizeof(uint64_t))))
            return 3;
    for (int i = 0; i < workers; i++)
        pthread_join(threads[i], NULL);
    printf("%.6f %.6f\n", now(CLOCK_MONOTONIC) - wall, now(CLOCK_PROCESS_CPUTIME_ID) - processors);
    if (sum != RIGHT)
        fprintf(stderr, "wrong sum %#lx\n", (unsigned long)sum);
    return sum != RIGHT;
}
