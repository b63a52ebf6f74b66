/* Threads of our own, which know nothing of Python. */
#ifndef VMCORE_THREAD_H
#define VMCORE_THREAD_H

#include <pthread.h>
#include <signal.h>

/* A thread that no signal is delivered to: Python's handlers belong to Python's threads. */
static inline int vmcore_thread(pthread_t *thread, void *(*run)(void *), void *argument) {
    sigset_t all, before;
    int failed;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    failed = pthread_create(thread, NULL, run, argument);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed;
}

#endif
