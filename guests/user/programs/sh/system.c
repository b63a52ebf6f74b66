/* What the kernel knows about itself: ps, harts, mem, uptime, trace. */
#include "sh.h"

#define EVENTS 24

void cmd_ps(int argc, char **argv)
{
    static const char *const states[] = {"free", "ready", "running", "waiting", "ended"};
    struct task_info info;
    i64 found;

    (void)argc, (void)argv;
    print("  PID PARENT STATE    HART  PAGES SWITCHES  CPU TIME     NAME\n");
    for (u64 i = 0; (found = call(SYS_TASK_INFO, i, &info)) >= 0; i++) {
        if (found)
            printf("%5u %6u %-8s %4u %6lu %8lu  %-12s %s\n", info.pid, info.parent, states[info.state], info.hart,
                   info.pages, info.switches, seconds(info.run_ns), info.name);
    }
}

void cmd_harts(int argc, char **argv)
{
    struct hart_info info;
    u64 now = now_ns();

    (void)argc, (void)argv;
    print(" HART  ID STATE    IDLE  SWITCHES   TIMER  DEVICE     IPI  TASK\n");
    for (u64 i = 0; call(SYS_HART_INFO, i, &info) == 0; i++) {
        printf("%5lu %3lu %-7s %4lu%%  %8lu %7lu %7lu %7lu  ", i, info.id, info.online ? "online" : "offline",
               MIN(info.idle_ns * 100 / now, 100), info.switches, info.timer_irqs, info.device_irqs, info.ipis);
        if (info.running_pid)
            printf("%u%s\n", info.running_pid, info.boot ? "  (boot hart)" : "");
        else
            printf("-%s\n", info.boot ? "  (boot hart)" : "");
    }
    call(SYS_HART_INFO, 0ul, &info);
    printf("isa %s\n", info.isa);
}

void cmd_mem(int argc, char **argv)
{
    struct mem_info info;

    (void)argc, (void)argv;
    call(SYS_MEM_INFO, &info);
    printf("memory   %8lu KiB at 0x%lx\n", info.ram_bytes / 1024, info.ram_base);
    printf("kernel   %8lu KiB\n", info.kernel_bytes / 1024);
    printf("free     %8lu KiB\n", info.free_bytes / 1024);
    printf("faults   %8lu\n", info.page_faults);
}

void cmd_uptime(int argc, char **argv)
{
    struct hart_info hart;
    struct task_info task;
    u64 harts = 0, tasks = 0, switches = 0;
    i64 found;

    (void)argc, (void)argv;
    for (u64 i = 0; call(SYS_HART_INFO, i, &hart) == 0; i++) {
        harts += hart.online;
        switches += hart.switches;
    }
    for (u64 i = 0; (found = call(SYS_TASK_INFO, i, &task)) >= 0; i++)
        tasks += (u64)found;
    printf("up %s, %lu hart%s, %lu task%s, %lu switches\n", seconds(now_ns()), harts, harts == 1 ? "" : "s", tasks,
           tasks == 1 ? "" : "s", switches);
}

void cmd_trace(int argc, char **argv)
{
    static const char *const kinds[] = {"?",     "switch to task", "idle",   "system call", "timer",
                                        "IPI",   "device irq",     "fault at", "exit with"};
    static struct trace_event events[512];
    u64 wanted = MIN(argument(argc, argv, 1, EVENTS), ARRAY_SIZE(events));
    i64 count = call(SYS_TRACE, events, wanted);

    for (i64 i = 0; i < count; i++) {
        const struct trace_event *e = &events[i];

        printf("%-14s hart %u  task %-3u  %s", seconds(e->time_ns), e->hart, e->pid,
               kinds[e->kind < ARRAY_SIZE(kinds) ? e->kind : 0]);
        if (e->kind == TRACE_FAULT)
            printf(" 0x%lx\n", e->value);
        else if (e->kind == TRACE_IDLE || e->kind == TRACE_TIMER || e->kind == TRACE_IPI)
            print("\n");
        else
            printf(" %lu\n", e->value);
    }
}
