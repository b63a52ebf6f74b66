/* Messages of the kernel, and its last words. */
#ifndef PRINT_H
#define PRINT_H

#include "../common/types.h"

void printk(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Prints, with registers and the list of tasks, and switches the machine off with the status "system failure". */
_Noreturn void panic(const char *format, ...) __attribute__((format(printf, 1, 2)));
bool panicking(void);
_Noreturn void halt_forever(void);

#endif
