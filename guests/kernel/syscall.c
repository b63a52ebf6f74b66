#include "syscall.h"
#include "../common/string.h"
#include "board.h"
#include "console.h"
#include "hart.h"
#include "page.h"
#include "power.h"
#include "print.h"
#include "riscv.h"
#include "sched.h"
#include "timer.h"
#include "trace.h"
#include "virtio_blk.h"

#define MAX_COMMAND 256

extern u8 _text[], _end[];
extern u64 page_faults;

typedef i64 (*call)(const u64 *arg);

static struct space *my_space(void)
{
    return &current_task()->space;
}

static i64 put_record(u64 user, const void *record, u64 size)
{
    return copy_to_user(my_space(), user, record, size) ? 0 : E_FAULT;
}

static i64 do_exit(const u64 *arg)
{
    task_exit((i64)arg[0]);
}

static i64 do_write(const u64 *arg)
{
    return console_write(my_space(), arg[0], arg[1]);
}

static i64 do_read(const u64 *arg)
{
    return arg[1] ? console_read(my_space(), arg[0], arg[1]) : 0;
}

static i64 do_yield(const u64 *arg)
{
    (void)arg;
    yield();
    return 0;
}

static i64 do_sleep(const u64 *arg)
{
    u64 now = read_time(), ticks = us_to_ticks(arg[0]);

    sleep_until(now + ticks < now ? NEVER : now + ticks);
    return 0;
}

static i64 do_getpid(const u64 *arg)
{
    (void)arg;
    return current_task()->pid;
}

static i64 do_gethart(const u64 *arg)
{
    (void)arg;
    return this_hart()->index;
}

static i64 do_time(const u64 *arg)
{
    (void)arg;
    return (i64)uptime_ns();
}

static i64 do_spawn(const u64 *arg)
{
    char command[MAX_COMMAND];

    if (arg[1] >= sizeof(command))
        return E_INVAL;
    if (!copy_from_user(my_space(), command, arg[0], arg[1]))
        return E_FAULT;
    command[arg[1]] = 0;
    return task_spawn(command, current_task()->pid, arg[2] != 0);
}

static i64 do_wait(const u64 *arg)
{
    i64 status = 0, pid = task_wait((i64)arg[0], &status, arg[2] != 0);

    if (pid > 0 && arg[1] && put_record(arg[1], &status, sizeof(status)))
        return E_FAULT;
    return pid;
}

static i64 do_kill(const u64 *arg)
{
    return arg[0] > UINT32_MAX ? E_NOENT : task_kill((u32)arg[0]);
}

static i64 do_sbrk(const u64 *arg)
{
    struct space *space = my_space();
    u64 old = space->heap_end;

    if (arg[0] > USER_HEAP_LIMIT - old)
        return E_NOMEM;
    space->heap_end = old + arg[0]; /* pages follow when they are touched */
    return (i64)old;
}

static i64 do_task_info(const u64 *arg)
{
    const struct task *task = &tasks[arg[0]];
    struct task_info info;

    if (arg[0] >= MAX_TASKS)
        return E_INVAL;
    memset(&info, 0, sizeof(info)); /* no byte of the kernel's stack goes out */
    lock(&table_lock);
    info.state = task->state;
    info.pid = task->pid;
    info.parent = task->parent;
    info.hart = task->hart;
    info.run_ns = ticks_to_ns(task->run_ticks + (task->state == TASK_RUNNING ? read_time() - task->started : 0));
    info.switches = task->switches;
    info.pages = task->space.pages;
    memcpy(info.name, task->name, sizeof(info.name));
    unlock(&table_lock);
    if (info.state == TASK_FREE)
        return 0;
    return put_record(arg[1], &info, sizeof(info)) ? E_FAULT : 1;
}

static i64 do_hart_info(const u64 *arg)
{
    const struct hart *hart = &harts[arg[0]];
    const struct task *running;
    struct hart_info info;

    if (arg[0] >= board.hart_count)
        return E_INVAL;
    memset(&info, 0, sizeof(info));
    running = __atomic_load_n(&hart->current, __ATOMIC_RELAXED);
    info.id = hart->board->id;
    info.online = hart->online;
    info.boot = hart->index == 0;
    info.idle_ns = ticks_to_ns(hart->idle_ticks + (hart->idle ? read_time() - hart->idle_since : 0));
    info.switches = hart->switches;
    info.timer_irqs = hart->timer_irqs;
    info.device_irqs = hart->device_irqs;
    info.ipis = hart->ipis;
    info.running_pid = running ? running->pid : 0;
    info.queued = hart->ready.count;
    memcpy(info.isa, hart->board->isa, sizeof(info.isa));
    return put_record(arg[1], &info, sizeof(info));
}

static i64 do_mem_info(const u64 *arg)
{
    struct mem_info info = {
        .ram_base = board.ram.base,
        .ram_bytes = board.ram.size,
        .kernel_bytes = (u64)(_end - _text),
        .free_bytes = page_free_count() * PAGE_SIZE,
        .page_faults = __atomic_load_n(&page_faults, __ATOMIC_RELAXED),
    };

    return put_record(arg[0], &info, sizeof(info));
}

static i64 do_disk_info(const u64 *arg)
{
    struct disk_info info;
    i64 error = disk_info(arg[0], &info);

    return error ? error : put_record(arg[1], &info, sizeof(info));
}

static i64 do_disk_read(const u64 *arg)
{
    return disk_transfer(my_space(), arg[0], arg[1], arg[2], arg[3], false);
}

static i64 do_disk_write(const u64 *arg)
{
    return disk_transfer(my_space(), arg[0], arg[1], arg[2], arg[3], true);
}

static i64 do_dtb(const u64 *arg)
{
    u64 offset = MIN(arg[0], board.fdt.size), length = MIN(arg[2], board.fdt.size - offset);

    return put_record(arg[1], board.fdt.blob + offset, length) ? E_FAULT : (i64)length;
}

static i64 do_bootargs(const u64 *arg)
{
    u64 length = strlen(board.bootargs);

    return put_record(arg[0], board.bootargs, MIN(arg[1], length + 1)) ? E_FAULT : (i64)length;
}

/* The newest events of all harts, merged by their time, the oldest of them first. */
static i64 do_trace(const u64 *arg)
{
    static struct spinlock merge_lock;
    static struct trace_event all[MAX_HARTS * TRACE_LENGTH];
    u32 count = 0, at[MAX_HARTS] = {0};
    u64 wanted = MIN(arg[1], ARRAY_SIZE(all));
    i64 error;

    lock(&merge_lock);
    while (count < ARRAY_SIZE(all)) {
        struct trace_event event, earliest = {.time_ns = NEVER};

        for (u32 i = 0; i < board.hart_count; i++) {
            if (trace_read(i, at[i], &event) && event.time_ns < earliest.time_ns)
                earliest = event;
        }
        if (earliest.time_ns == NEVER)
            break;
        at[earliest.hart]++;
        all[count++] = earliest;
    }
    wanted = MIN(wanted, count);
    error = put_record(arg[0], &all[count - wanted], wanted * sizeof(all[0]));
    unlock(&merge_lock);
    return error ? error : (i64)wanted;
}

static i64 do_power(const u64 *arg)
{
    if (arg[0] == POWER_REBOOT)
        power_reboot();
    power_off((u32)arg[1]);
}

static i64 do_panic(const u64 *arg)
{
    (void)arg;
    panic("asked for by task %u", current_task()->pid);
}

static const call calls[SYS_COUNT] = {
    [SYS_EXIT] = do_exit,
    [SYS_WRITE] = do_write,
    [SYS_READ] = do_read,
    [SYS_YIELD] = do_yield,
    [SYS_SLEEP] = do_sleep,
    [SYS_GETPID] = do_getpid,
    [SYS_GETHART] = do_gethart,
    [SYS_TIME] = do_time,
    [SYS_SPAWN] = do_spawn,
    [SYS_WAIT] = do_wait,
    [SYS_KILL] = do_kill,
    [SYS_SBRK] = do_sbrk,
    [SYS_TASK_INFO] = do_task_info,
    [SYS_HART_INFO] = do_hart_info,
    [SYS_MEM_INFO] = do_mem_info,
    [SYS_DISK_INFO] = do_disk_info,
    [SYS_DISK_READ] = do_disk_read,
    [SYS_DISK_WRITE] = do_disk_write,
    [SYS_DTB] = do_dtb,
    [SYS_BOOTARGS] = do_bootargs,
    [SYS_TRACE] = do_trace,
    [SYS_POWER] = do_power,
    [SYS_PANIC] = do_panic,
};

void system_call(struct frame *frame)
{
    enum { A0 = 10, A7 = 17 };
    u64 number = frame->x[A7];

    trace(TRACE_SYSCALL, number);
    frame->x[A0] = number < SYS_COUNT && calls[number] ? (u64)calls[number](&frame->x[A0]) : (u64)E_INVAL;
}
