/* System calls that do nothing: entry to the kernel and back. */
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <unistd.h>

#include "board.h"

int kernel(void)
{
    long parent = getppid();

    for (int i = 0; i < 500000; i++)
        if (syscall(SYS_getppid) != parent)
            return 1;
    return 0;
}
