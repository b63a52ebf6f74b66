/* The terminal: queues of bytes between tasks and the UART's interrupts. */
#ifndef CONSOLE_H
#define CONSOLE_H

#include "task.h"

void console_init(void);
/* Connects the interrupt, once the harts are there. Until then output is sent at once. */
void console_start(void);
/* From the kernel, anywhere: never waits for an interrupt. */
void console_put(const char *text, size_t length);
/* Last words: without locks. */
void console_put_now(const char *text, size_t length);
void console_flush(void);
/* From a task: both may wait. */
i64 console_write(struct space *space, u64 from, u64 length);
i64 console_read(struct space *space, u64 to, u64 length);
/* The task that Ctrl-C kills. */
void console_foreground(u32 pid);
void console_forget(u32 pid);

#endif
