#include "sched.h"
#include "hart.h"
#include "print.h"
#include "riscv.h"
#include "timer.h"
#include "trace.h"

extern void switch_context(struct context *from, const struct context *to);
extern void float_save(u64 *to);
extern void float_restore(const u64 *from);

static u32 load_of(const struct hart *hart)
{
    return __atomic_load_n(&hart->ready.count, __ATOMIC_RELAXED) +
           (__atomic_load_n(&hart->current, __ATOMIC_RELAXED) != NULL);
}

void make_ready(struct task *task)
{
    struct hart *best = &harts[task->hart];

    /* The last hart knows the task's pages: another one must have less to do to be better. */
    for (u32 i = 0; i < board.hart_count; i++) {
        if (__atomic_load_n(&harts[i].online, __ATOMIC_ACQUIRE) && load_of(&harts[i]) < load_of(best))
            best = &harts[i];
    }
    lock(&best->ready_lock);
    task->state = TASK_READY;
    queue_push(&best->ready, task);
    unlock(&best->ready_lock);
    /* ORDER: the task is in the queue before we look at idle; the hart sets idle before it looks at the queue. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (__atomic_load_n(&best->idle, __ATOMIC_RELAXED))
        hart_kick(best);
}

static struct task *take_from(struct hart *hart)
{
    struct task *task;

    if (__atomic_load_n(&hart->ready.count, __ATOMIC_RELAXED) == 0)
        return NULL;
    lock(&hart->ready_lock);
    task = queue_pop(&hart->ready);
    unlock(&hart->ready_lock);
    return task;
}

/* The next task of this hart, or one that waits on a hart with too much to do. */
static struct task *next_task(struct hart *hart)
{
    struct task *task = take_from(hart);

    for (u32 i = 1; i < board.hart_count && !task; i++)
        task = take_from(&harts[(hart->index + i) % board.hart_count]);
    return task;
}

static bool anything_ready(void)
{
    for (u32 i = 0; i < board.hart_count; i++) {
        if (__atomic_load_n(&harts[i].ready.count, __ATOMIC_RELAXED))
            return true;
    }
    return false;
}

static void idle(struct hart *hart)
{
    hart->idle_since = read_time();
    __atomic_store_n(&hart->idle, true, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* pairs with make_ready */
    if (!anything_ready()) {
        trace(TRACE_IDLE, 0);
        timer_program();
        /* Interrupts are off: one that comes before the wfi stays pending, and a pending one ends the wfi. */
        wait_for_interrupt();
    }
    __atomic_store_n(&hart->idle, false, __ATOMIC_RELAXED);
    csr_set(sstatus, SSTATUS_SIE); /* the pending interrupt is taken here */
    csr_clear(sstatus, SSTATUS_SIE);
    hart->idle_ticks += read_time() - hart->idle_since;
}

static void run(struct hart *hart, struct task *task)
{
    struct spinlock *release;

    trace(TRACE_SWITCH, task->pid);
    task->state = TASK_RUNNING;
    task->hart = hart->index;
    task->started = read_time();
    task->switches++;
    hart->switches++;
    __atomic_store_n(&hart->current, task, __ATOMIC_RELAXED);
    hart->reschedule = false;
    hart->slice_end = task->started + SLICE_MS * board.timebase / 1000;
    timer_program();
    vm_switch(&task->space);
    task->frame->status &= ~SSTATUS_FS;
    if (hart->board->floats) {
        csr_set(sstatus, SSTATUS_FS);
        float_restore(task->floats);
        csr_clear(sstatus, SSTATUS_FS);
        task->frame->status |= SSTATUS_FS_CLEAN;
    }

    switch_context(&hart->scheduler, &task->context);

    if (!task_stack_intact(task))
        panic("kernel stack of task %u overflowed", task->pid);
    if ((task->frame->status & SSTATUS_FS) == SSTATUS_FS_DIRTY) {
        csr_set(sstatus, SSTATUS_FS);
        float_save(task->floats);
        csr_clear(sstatus, SSTATUS_FS);
    }
    vm_leave();
    task->run_ticks += read_time() - task->started;
    __atomic_store_n(&hart->current, NULL, __ATOMIC_RELAXED);
    if (task->state == TASK_READY) {
        lock(&hart->ready_lock);
        queue_push(&hart->ready, task);
        unlock(&hart->ready_lock);
    }
    release = hart->release;
    hart->release = NULL;
    if (release)
        unlock(release); /* from here on the task may run elsewhere, or be gone */
}

void scheduler(void)
{
    struct hart *hart = this_hart();

    for (;;) {
        struct task *task = next_task(hart);

        if (task)
            run(hart, task);
        else
            idle(hart);
    }
}

void leave_cpu(struct spinlock *release)
{
    struct hart *hart = this_hart();

    hart->release = release;
    switch_context(&hart->current->context, &hart->scheduler);
}

void yield(void)
{
    current_task()->state = TASK_READY;
    leave_cpu(NULL);
}

static void wait_in(struct task_queue *queue, struct spinlock *queue_lock)
{
    struct task *task = current_task();

    queue_push(queue, task);
    task->state = TASK_BLOCKED;
    leave_cpu(queue_lock);
}

void block(struct task_queue *queue, struct spinlock *queue_lock)
{
    struct task *task = current_task();

    __atomic_store_n(&task->wait_lock, queue_lock, __ATOMIC_SEQ_CST); /* ORDER: see task_kill */
    if (__atomic_load_n(&task->killed, __ATOMIC_SEQ_CST)) {
        task->wait_lock = NULL;
        unlock(queue_lock);
        return;
    }
    wait_in(queue, queue_lock);
}

void block_uninterruptible(struct task_queue *queue, struct spinlock *queue_lock)
{
    wait_in(queue, queue_lock);
}

void wake(struct task *task)
{
    queue_remove(task);
    __atomic_store_n(&task->wait_lock, NULL, __ATOMIC_RELAXED);
    make_ready(task);
}

void wake_all(struct task_queue *queue)
{
    while (queue->first)
        wake(queue->first);
}
