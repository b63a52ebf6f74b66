/* Who runs where and when: a queue of ready tasks for each hart, round robin with time slices, idle harts steal. */
#ifndef SCHED_H
#define SCHED_H

#include "task.h"

#define SLICE_MS 10

/* The loop of every hart, on the hart's own stack. */
_Noreturn void scheduler(void);
/* Puts a task that is in no queue where it will run soonest. */
void make_ready(struct task *task);
/* The running task goes to the end of the queue. */
void yield(void);
/*
 * The running task waits in `queue`, whose lock it holds and which is free again on return. Callers look again at what
 * they wait for: a kill, too, ends the wait.
 */
void block(struct task_queue *queue, struct spinlock *queue_lock);
/* The same for what must be waited for even by a task that is killed. */
void block_uninterruptible(struct task_queue *queue, struct spinlock *queue_lock);
/* Ends the wait of one task, or of all in a queue. The queue's lock is held. */
void wake(struct task *task);
void wake_all(struct task_queue *queue);
/* From the running task's stack to the scheduler's, which then lets go of the lock. */
void leave_cpu(struct spinlock *release);

#endif
