#include "timer.h"
#include "hart.h"
#include "riscv.h"
#include "sbi.h"
#include "sched.h"
#include "trace.h"

static u64 boot_time;

static void set_deadline(u64 deadline)
{
    if (this_hart()->board->sstc)
        csr_write(0x14d, deadline); /* stimecmp */
    else
        sbi_set_timer(deadline);
}

void timer_init_self(void)
{
    if (!boot_time)
        boot_time = read_time();
    set_deadline(NEVER);
}

void timer_program(void)
{
    struct hart *hart = this_hart();
    u64 wake_at = __atomic_load_n(&hart->next_wake, __ATOMIC_RELAXED);

    set_deadline(hart->current ? MIN(hart->slice_end, wake_at) : wake_at);
}

/* Wakes whose time has come and finds the earliest of the others. */
static void wake_sleepers(struct hart *hart, u64 now)
{
    struct task *task, *next;
    u64 earliest = NEVER;

    lock(&hart->sleep_lock);
    for (task = hart->sleepers.first; task; task = next) {
        next = task->next;
        if (task->deadline <= now)
            wake(task);
        else
            earliest = MIN(earliest, task->deadline);
    }
    hart->next_wake = earliest;
    unlock(&hart->sleep_lock);
}

void timer_interrupt(void)
{
    struct hart *hart = this_hart();
    u64 now = read_time();

    hart->timer_irqs++;
    trace(TRACE_TIMER, 0);
    if (hart->next_wake <= now)
        wake_sleepers(hart, now);
    if (hart->current && now >= hart->slice_end) {
        hart->slice_end = now + SLICE_MS * board.timebase / 1000;
        hart->reschedule = hart->ready.count != 0;
    }
    timer_program();
}

void sleep_until(u64 deadline)
{
    struct task *task = current_task();

    task->deadline = deadline;
    while (read_time() < deadline && !__atomic_load_n(&task->killed, __ATOMIC_RELAXED)) {
        struct hart *hart = this_hart();

        lock(&hart->sleep_lock);
        hart->next_wake = MIN(hart->next_wake, deadline);
        block(&hart->sleepers, &hart->sleep_lock);
    }
}

u64 ticks_to_ns(u64 ticks)
{
    /* In two steps, because ticks * 10^9 overflows after half an hour. */
    return ticks / board.timebase * 1000000000 + ticks % board.timebase * 1000000000 / board.timebase;
}

u64 us_to_ticks(u64 us)
{
    return us / 1000000 * board.timebase + us % 1000000 * board.timebase / 1000000;
}

u64 uptime_ns(void)
{
    return ticks_to_ns(read_time() - boot_time);
}
