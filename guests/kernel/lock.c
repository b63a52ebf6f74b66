#include "lock.h"
#include "hart.h"
#include "print.h"
#include "riscv.h"

void lock(struct spinlock *l)
{
    const void *me = this_hart();

    if (__atomic_load_n(&l->owner, __ATOMIC_RELAXED) == me)
        panic("lock 0x%lx taken twice by the same hart", (u64)l);
    /* Acquire: nothing that the lock protects is read before the exchange has won. */
    while (__atomic_exchange_n(&l->held, 1, __ATOMIC_ACQUIRE)) {
        while (__atomic_load_n(&l->held, __ATOMIC_RELAXED)) {
            cpu_pause();
            if (panicking())
                halt_forever();
        }
    }
    __atomic_store_n(&l->owner, me, __ATOMIC_RELAXED);
}

void unlock(struct spinlock *l)
{
    __atomic_store_n(&l->owner, NULL, __ATOMIC_RELAXED);
    /* Release: everything done under the lock is visible before it looks free. */
    __atomic_store_n(&l->held, 0, __ATOMIC_RELEASE);
}
