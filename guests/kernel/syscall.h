/* System calls: see common/abi.h for what each does. */
#ifndef SYSCALL_H
#define SYSCALL_H

#include "task.h"

void system_call(struct frame *frame);

#endif
