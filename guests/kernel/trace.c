#include "trace.h"
#include "hart.h"
#include "timer.h"

/* Only its own hart writes a ring, with interrupts off, so no lock is needed; a reader may find an event half new. */
static struct {
    struct trace_event events[TRACE_LENGTH];
    u64 count;
} rings[MAX_HARTS];

void trace(enum trace_kind kind, u64 value)
{
    struct hart *hart = this_hart();
    u64 count = rings[hart->index].count;

    rings[hart->index].events[count % TRACE_LENGTH] = (struct trace_event){
        .time_ns = uptime_ns(),
        .hart = hart->index,
        .pid = hart->current ? hart->current->pid : 0,
        .kind = kind,
        .value = value,
    };
    /* Release: the event is written before the count shows it. */
    __atomic_store_n(&rings[hart->index].count, count + 1, __ATOMIC_RELEASE);
}

bool trace_read(u32 hart, u32 index, struct trace_event *event)
{
    u64 count = __atomic_load_n(&rings[hart].count, __ATOMIC_ACQUIRE);
    u64 first = count > TRACE_LENGTH ? count - TRACE_LENGTH : 0;

    if (first + index >= count)
        return false;
    *event = rings[hart].events[(first + index) % TRACE_LENGTH];
    return true;
}
