/* Processes that are made and end at once. */
#include <sys/wait.h>
#include <unistd.h>

#include "board.h"

int kernel(void)
{
    for (int i = 0; i < 500; i++) {
        int status;
        pid_t child = fork();
        if (child < 0)
            return 1;
        if (child == 0)
            _exit(i % 100);
        if (waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) != i % 100)
            return 1;
    }
    return 0;
}
