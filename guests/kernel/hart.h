/* What each hart has for itself. tp points to the record of the hart that runs the code. */
#ifndef HART_H
#define HART_H

#include "board.h"
#include "layout.h"
#include "lock.h"
#include "task.h"

struct hart {
    u64 stack;      /* top of the stack that the scheduler runs on (HART_STACK) */
    u64 task_stack; /* top of the running task's kernel stack (HART_TASK_STACK) */
    u64 user_sp;    /* trap_entry's scratch word (HART_USER_SP) */

    u32 index;
    const struct board_hart *board;
    bool online;
    bool idle; /* about to wait for interrupts, or waiting: a new task needs an IPI */

    struct task *current;          /* NULL while the scheduler runs */
    struct context scheduler;      /* where a task goes back to */
    struct spinlock *release;      /* let go of by the scheduler, once the task is off its stack */
    bool reschedule;               /* the slice is over */
    u64 slice_end;

    struct spinlock ready_lock;
    struct task_queue ready;
    struct spinlock sleep_lock;
    struct task_queue sleepers;    /* in no order: there are few */
    u64 next_wake;                 /* earliest deadline of a sleeper, or NEVER */

    u64 idle_since; /* when the wait that goes on now began */
    u64 idle_ticks, switches, timer_irqs, device_irqs, ipis;
} __attribute__((aligned(64)));

_Static_assert(offsetof(struct hart, stack) == HART_STACK, "layout.h");
_Static_assert(offsetof(struct hart, task_stack) == HART_TASK_STACK, "layout.h");
_Static_assert(offsetof(struct hart, user_sp) == HART_USER_SP, "layout.h");

extern struct hart harts[MAX_HARTS];

/* Not to be kept over a switch: the task may come back on another hart. */
static inline struct hart *this_hart(void)
{
    struct hart *hart;

    __asm__ volatile("mv %0, tp" : "=r"(hart));
    return hart;
}

static inline struct task *current_task(void)
{
    return this_hart()->current;
}

/* Sets up the record of the boot hart, before anything else. */
void hart_init_boot(void);
/* Now that the device tree is read: fills in the records of all harts; the boot hart takes its own. */
void hart_init_all(u64 boot_id);
/* Starts the others through the firmware and waits until each has arrived. */
void hart_start_others(void);
/* Traps, interrupts and counters of the hart that calls. */
void hart_init_self(void);
void secondary_main(void);
/* Makes another hart look at its queue. */
void hart_kick(struct hart *hart);

#endif
