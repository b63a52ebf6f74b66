/* Time: the ends of slices, and tasks that sleep. */
#ifndef TIMER_H
#define TIMER_H

#include "../common/types.h"

#define NEVER UINT64_MAX

void timer_init_self(void);
/* Asks for the next interrupt that this hart needs, if any: an idle hart without sleepers is not disturbed. */
void timer_program(void);
void timer_interrupt(void);
/* Lets the running task sleep; earlier back only if it is killed. */
void sleep_until(u64 deadline);
u64 ticks_to_ns(u64 ticks);
u64 us_to_ticks(u64 us);
/* Nanoseconds since the kernel started. */
u64 uptime_ns(void);

#endif
