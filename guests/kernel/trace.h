/* A flight recorder: the latest events of every hart, for the shell's `trace`. */
#ifndef TRACE_H
#define TRACE_H

#include "../common/abi.h"

#define TRACE_LENGTH 64 /* events kept for each hart */

void trace(enum trace_kind kind, u64 value);
/* Event number `index` of a hart, 0 being the oldest that is kept. False when there are not so many. */
bool trace_read(u32 hart, u32 index, struct trace_event *event);

#endif
