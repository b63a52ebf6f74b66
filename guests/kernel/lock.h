/*
 * Spinlocks. The kernel always runs with interrupts off, so a holder is never interrupted, and a lock is all that is
 * needed against the other harts. Rule for taking two: see the order in task.h.
 */
#ifndef LOCK_H
#define LOCK_H

#include "../common/types.h"

struct spinlock {
    u32 held;
    const void *owner; /* struct hart of the holder */
};

void lock(struct spinlock *l);
void unlock(struct spinlock *l);

#endif
