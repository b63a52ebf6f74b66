#include "task.h"
#include "../common/string.h"
#include "console.h"
#include "hart.h"
#include "power.h"
#include "print.h"
#include "program.h"
#include "riscv.h"
#include "sched.h"
#include "trace.h"

#define STACK_MARK 0x5afe57ac5afe57acul
#define INIT_PID 1

struct task tasks[MAX_TASKS];
struct spinlock table_lock;
static u32 last_pid;
static u64 stacks[MAX_TASKS][STACK_SIZE / sizeof(u64)] __attribute__((aligned(16)));

extern void trap_return(void);

void queue_push(struct task_queue *queue, struct task *task)
{
    task->queue = queue;
    task->next = NULL;
    task->previous = queue->last;
    if (queue->last)
        queue->last->next = task;
    else
        queue->first = task;
    queue->last = task;
    __atomic_store_n(&queue->count, queue->count + 1, __ATOMIC_RELAXED);
}

void queue_remove(struct task *task)
{
    struct task_queue *queue = task->queue;

    if (task->previous)
        task->previous->next = task->next;
    else
        queue->first = task->next;
    if (task->next)
        task->next->previous = task->previous;
    else
        queue->last = task->previous;
    task->queue = NULL;
    __atomic_store_n(&queue->count, queue->count - 1, __ATOMIC_RELAXED);
}

struct task *queue_pop(struct task_queue *queue)
{
    struct task *task = queue->first;

    if (task)
        queue_remove(task);
    return task;
}

bool task_stack_intact(const struct task *task)
{
    return stacks[task - tasks][0] == STACK_MARK;
}

/* A free slot, no longer free. */
static struct task *claim_slot(u32 parent)
{
    struct task *task = NULL;

    lock(&table_lock);
    for (u32 i = 0; i < MAX_TASKS && !task; i++) {
        if (tasks[i].state == TASK_FREE)
            task = &tasks[i];
    }
    if (task) {
        memset(task, 0, sizeof(*task));
        task->state = TASK_BLOCKED;
        task->pid = ++last_pid;
        task->parent = parent;
    }
    unlock(&table_lock);
    return task;
}

static void release_slot(struct task *task)
{
    lock(&table_lock);
    task->state = TASK_FREE;
    unlock(&table_lock);
}

i64 task_spawn(const char *command, u32 parent, bool foreground)
{
    struct task *task = claim_slot(parent);
    u64 *stack;
    u32 pid;
    i64 error = E_NOMEM;

    if (!task)
        return E_NOMEM;
    stack = stacks[task - tasks];
    stack[0] = STACK_MARK;
    task->frame = (struct frame *)((u8 *)stack + STACK_SIZE) - 1;
    memset(task->frame, 0, sizeof(*task->frame));
    task->frame->status = SSTATUS_SPIE;
    task->context.ra = (u64)trap_return;
    task->context.sp = (u64)task->frame;
    /* The number of the slot is the number of the address space; 0 is the kernel's own. */
    if (space_create(&task->space, (u64)(task - tasks) + 1))
        error = program_load(task, command);
    if (error) {
        space_destroy(&task->space);
        release_slot(task);
        return error;
    }
    task->hart = this_hart()->index;
    pid = task->pid;
    if (foreground)
        console_foreground(pid);
    make_ready(task);
    return pid;
}

void task_exit(i64 status)
{
    struct task *task = current_task();

    trace(TRACE_EXIT, (u64)status);
    if (task->pid == INIT_PID)
        power_off((u32)status);
    console_forget(task->pid);
    vm_leave();
    space_destroy(&task->space);

    lock(&table_lock);
    for (u32 i = 0; i < MAX_TASKS; i++) {
        struct task *other = &tasks[i];

        if (other->state == TASK_FREE)
            continue;
        if (other->parent == task->pid)
            other->parent = INIT_PID;
        if (other->pid == task->parent || other->pid == INIT_PID)
            wake_all(&other->waiting_for_child);
    }
    task->status = status;
    task->state = TASK_ZOMBIE;
    /* The scheduler lets go of the table, so nobody reuses this stack while we are on it. */
    leave_cpu(&table_lock);
    panic("a task came back from the dead");
}

i64 task_wait(i64 pid, i64 *status, bool wait)
{
    struct task *me = current_task();

    lock(&table_lock);
    for (;;) {
        bool has_child = false;

        for (u32 i = 0; i < MAX_TASKS; i++) {
            struct task *child = &tasks[i];

            if (child->state == TASK_FREE || child->parent != me->pid || (pid > 0 && child->pid != (u64)pid))
                continue;
            has_child = true;
            if (child->state == TASK_ZOMBIE) {
                i64 found = child->pid;

                *status = child->status;
                child->state = TASK_FREE;
                unlock(&table_lock);
                return found;
            }
        }
        if (!has_child || !wait || me->killed) {
            unlock(&table_lock);
            return !has_child ? E_NOENT : me->killed ? E_KILLED : 0;
        }
        block(&me->waiting_for_child, &table_lock);
        lock(&table_lock);
    }
}

i64 task_kill(u32 pid)
{
    struct task *task = NULL;
    struct spinlock *wait_lock;

    lock(&table_lock);
    for (u32 i = 0; i < MAX_TASKS && !task; i++) {
        if (tasks[i].pid == pid && tasks[i].state != TASK_FREE && tasks[i].state != TASK_ZOMBIE)
            task = &tasks[i];
    }
    if (task)
        __atomic_store_n(&task->killed, true, __ATOMIC_SEQ_CST);
    unlock(&table_lock);
    if (!task)
        return E_NOENT;
    /*
     * ORDER: we set killed and then look for a waiter; block() announces the waiter and then looks at killed. With both
     * sequentially consistent at least one of us sees the other.
     */
    wait_lock = __atomic_load_n(&task->wait_lock, __ATOMIC_SEQ_CST);
    if (wait_lock) {
        lock(wait_lock);
        if (task->wait_lock == wait_lock && task->queue)
            wake(task); /* if it is another task by now, that one merely looks again at what it waits for */
        unlock(wait_lock);
    }
    return 0;
}
