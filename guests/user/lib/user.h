/* What every program can use: the system calls, and printf. */
#ifndef USER_H
#define USER_H

#include "../../common/abi.h"
#include "../../common/format.h"
#include "../../common/string.h"

#define MAX_ARGUMENTS 16

/* Each program has one. */
int main(int argc, char **argv);

/* One system call, see common/abi.h. */
i64 call(u64 number, ...);

_Noreturn void exit(i64 status);
/* One write for each call, so that lines of programs that run at once do not mix. */
void printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
void print(const char *text);
/* More zeroed memory at the end of the heap; ends the program when there is none. */
void *grow(size_t bytes);
/* Argument number `index`, or `otherwise` when it is not given or no number. */
u64 argument(int argc, char **argv, int index, u64 otherwise);
/* Nanoseconds as "1.234567 s". The text is good until the next but three calls. */
const char *seconds(u64 ns);

static inline u64 now_ns(void)
{
    return (u64)call(SYS_TIME);
}

#endif
