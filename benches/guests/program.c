/* All kernels in one program for Linux: `program NAME TIMES` runs one of them so often; the exit status is 0 when every
 * result was right. As the first process of a kernel it says when it is ready, waits for a line, reports, and switches
 * the machine off: whoever measures knows exactly where the work begins. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

int main(int argc, char **argv)
{
    int status;
    char go;

    if (argc != 3) {
        fprintf(stderr, "usage: %s NAME TIMES\n", argv[0]);
        status = 2;
    } else if (getpid() != 1) {
        return work(argv[1], atol(argv[2]));
    } else {
        puts("bench: ready");
        fflush(stdout);
        status = read(STDIN_FILENO, &go, 1) == 1 ? work(argv[1], atol(argv[2])) : 2;
    }
    printf("bench: %s\n", status ? "wrong" : "right");
    fflush(stdout);
    if (getpid() == 1)
        reboot(RB_POWER_OFF);
    return status;
}
