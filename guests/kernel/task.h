/*
 * Tasks: a user program with its address space, and a kernel stack for the time it spends in the kernel.
 *
 * Order of locks: table_lock, then one lock of a device, a console or a hart's sleepers, then a hart's ready_lock;
 * page_lock is innermost.
 */
#ifndef TASK_H
#define TASK_H

#include "../common/abi.h"
#include "layout.h"
#include "lock.h"
#include "vm.h"

#define MAX_TASKS 64

/* The registers of an interrupted program; x[0] holds its pc. trap.S knows the offsets. */
struct frame {
    u64 x[32];
    u64 status;
    u64 unused;
};

_Static_assert(sizeof(struct frame) == FRAME_SIZE, "layout.h");

/* What switch_context keeps. */
struct context {
    u64 ra, sp, s[12];
};

struct task;

struct task_queue {
    struct task *first, *last;
    u32 count;
};

struct task {
    u32 pid, parent;
    enum task_state state;
    u32 hart; /* where it runs, or ran last */
    bool killed;
    i64 status;
    char name[NAME_LENGTH];

    struct frame *frame; /* of its user side, at the top of its kernel stack */
    struct context context;
    struct space space;

    struct task *next, *previous; /* in the queue that it is in */
    struct task_queue *queue;
    struct spinlock *wait_lock; /* of that queue while the task waits and may be woken by a kill */
    u64 deadline;
    struct task_queue waiting_for_child;

    u64 run_ticks, started, switches;
    u64 floats[33] __attribute__((aligned(16)));
};

extern struct task tasks[MAX_TASKS];
extern struct spinlock table_lock;

void queue_push(struct task_queue *queue, struct task *task);
void queue_remove(struct task *task);
struct task *queue_pop(struct task_queue *queue);

/* A new task for the program that the command line names, ready to run: its pid, or an error. */
i64 task_spawn(const char *command, u32 parent, bool foreground);
_Noreturn void task_exit(i64 status);
/* Waits for a child (any for pid -1) to end and takes its status: its pid, 0 when none has ended, or an error. */
i64 task_wait(i64 pid, i64 *status, bool wait);
i64 task_kill(u32 pid);
/* Is the kernel stack of the task whole? */
bool task_stack_intact(const struct task *task);

#endif
