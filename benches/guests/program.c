/* All kernels in one program for Linux: `program NAME TIMES` runs one of them so often; the exit status is 0 when every
 * result was right. As the first process of a kernel it says when it has been started, and again when the kernel's own
 * threads have come to rest, waits for a line each time, reports, and switches the machine off: whoever measures knows
 * exactly where the work begins. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <unistd.h>

/* KERNELS is X(name) for each. */
#define X(name) int kernel_##name(void);
KERNELS
#undef X

static const struct {
    const char *name;
    int (*run)(void);
} kernels[] = {
#define X(name) {#name, kernel_##name},
    KERNELS
#undef X
};

static int work(const char *name, long times)
{
    for (size_t i = 0; i < sizeof kernels / sizeof *kernels; i++) {
        if (strcmp(name, kernels[i].name))
            continue;
        while (times-- > 0)
            if (kernels[i].run())
                return 1;
        return 0;
    }
    fprintf(stderr, "no kernel is called %s\n", name);
    return 2;
}

/* Say it, and go on when a line has come. */
static int announce(const char *what)
{
    char line_end;

    printf("bench: %s\n", what);
    fflush(stdout);
    return read(STDIN_FILENO, &line_end, 1) == 1;
}

static long idle_ticks(void)
{
    FILE *file = fopen("/proc/stat", "r");
    long idle = -1;

    if (file) {
        if (fscanf(file, "cpu %*d %*d %*d %ld", &idle) != 1)
            idle = -1;
        fclose(file);
    }
    return idle;
}

/* A kernel tests its ciphers in threads of its own for long after it has started us. Wait for a tenth of a second (ten
 * ticks) with hardly anything else in it. */
static int settle(void)
{
    if (mount("proc", "/proc", "proc", 0, NULL))
        return 0;
    for (int i = 0; i < 600; i++) {
        long before = idle_ticks();
        usleep(100000);
        if (before >= 0 && idle_ticks() >= before + 9)
            return 1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    int status = 2;

    if (argc != 3) {
        fprintf(stderr, "usage: %s NAME TIMES\n", argv[0]);
    } else if (getpid() != 1) {
        return work(argv[1], atol(argv[2]));
    } else if (announce("init") && settle() && announce("ready")) {
        status = work(argv[1], atol(argv[2]));
    }
    printf("bench: %s\n", status ? "wrong" : "right");
    fflush(stdout);
    if (getpid() == 1)
        reboot(RB_POWER_OFF);
    return status;
}
