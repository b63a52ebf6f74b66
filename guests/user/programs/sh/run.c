/* Programs as tasks: in the foreground, in the background, many at once. */
#include "sh.h"

#define MOST_WORKERS 48

static void tell_status(i64 pid, i64 status)
{
    if (status == STATUS_KILLED + KILLED_BY_USER)
        printf("task %ld was killed\n", pid);
    else if (status)
        printf("task %ld ended with status %ld\n", pid, status);
}

void run_program(const char *line, bool background)
{
    i64 status = 0, pid = call(SYS_SPAWN, line, strlen(line), (u64)!background);

    if (pid == E_NOENT) {
        printf("%s: no such command; try help\n", line);
    } else if (pid < 0) {
        printf("%s: cannot start (%ld)\n", line, pid);
    } else if (background) {
        printf("task %ld started\n", pid);
    } else {
        call(SYS_WAIT, pid, &status, 1ul);
        tell_status(pid, status);
    }
}

void reap(void)
{
    i64 status, pid;

    while ((pid = call(SYS_WAIT, -1l, &status, 0ul)) > 0) {
        printf("task %ld done\n", pid);
        tell_status(pid, status);
    }
}

void cmd_spawn(int argc, char **argv)
{
    u64 wanted = argument(argc, argv, 1, 4), rounds = argument(argc, argv, 2, 8), started = 0, mask = 0;
    u64 start = now_ns(), used = 0;
    i64 pids[MOST_WORKERS], status;

    if (wanted > MOST_WORKERS) {
        printf("spawn: at most %u\n", MOST_WORKERS);
        return;
    }
    for (; started < wanted; started++) {
        char command[32];

        pids[started] = call(SYS_SPAWN, command, format_text(command, sizeof(command), "worker %lu", rounds), 0ul);
        if (pids[started] < 0)
            break;
    }
    for (u64 i = 0; i < started; i++) {
        call(SYS_WAIT, pids[i], &status, 1ul);
        mask |= (u64)status;
    }
    for (; mask; mask >>= 1)
        used += mask & 1;
    printf("%lu workers done on %lu hart%s (%s)\n", started, used, used == 1 ? "" : "s", seconds(now_ns() - start));
}

void cmd_kill(int argc, char **argv)
{
    u64 pid = argument(argc, argv, 1, 0);

    if (call(SYS_KILL, pid) < 0)
        printf("kill: no task %lu\n", pid);
}
