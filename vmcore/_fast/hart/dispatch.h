/* How one handler hands over to the next.
 *
 * Release: a tail call, which gcc turns into a jump. Builds that lose tail calls (debug, coverage, thread sanitizer)
 * note where to go on and return; run_handlers() drives them in a loop, so the stack does not grow.
 */
#ifndef VMCORE_DISPATCH_H
#define VMCORE_DISPATCH_H

#include "atomics.h"

#if VMCORE_SWITCH_LOOP
#define vmcore_go(fn, op, hart) ((void)((hart)->loop_fn = (fn), (hart)->loop_op = (op)))
#define vmcore_leave(hart) ((void)((hart)->loop_fn = 0))
#else
#define vmcore_go(fn, op, hart) ((fn)((op), (hart)))
#define vmcore_leave(hart) ((void)0)
#endif

#endif
