/* The peer of the managed heap: the same graph and the same churn in Boehm's collector.
 *
 *     boehm tree OBJECTS TIMES       nanoseconds of CPU of each marking of a binary tree, one a line
 *     boehm linked OBJECTS TIMES     the same with a reference from each object to a random other
 *     boehm churn OBJECTS LIVE       nanoseconds of CPU of the longest stop of the world
 *     boehm churn-inc OBJECTS LIVE   the same with incremental collection
 */
#define GC_THREADS
#include <gc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct Node {
    struct Node *field[3];
    uint64_t payload;
} Node;

/* Roots. Volatile, or the compiler drops what is never read. */
static Node *volatile root;
static Node **volatile table;
static uint64_t began, last_mark, stopped_at, longest_stop;

static uint64_t cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void GC_CALLBACK on_event(GC_EventType event)
{
    if (event == GC_EVENT_MARK_START)
        began = cpu_ns();
    else if (event == GC_EVENT_MARK_END)
        last_mark = cpu_ns() - began;
    else if (event == GC_EVENT_PRE_STOP_WORLD)
        stopped_at = cpu_ns();
    else if (event == GC_EVENT_POST_START_WORLD && cpu_ns() - stopped_at > longest_stop)
        longest_stop = cpu_ns() - stopped_at;
}

/* xorshift64*, as in vmcore/_fast/gc/exercise.pyx. */
static uint64_t draw(uint64_t *state)
{
    uint64_t x = *state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return (x * 0x2545F4914F6CDD1DULL) >> 16;
}

static void mark(uint64_t objects, uint64_t times, int linked)
{
    uint64_t state = 3;
    /* Not a root: plain memory is not looked at. */
    Node **nodes = malloc(objects * sizeof(Node *));
    for (uint64_t i = 0; i < objects; i++) {
        nodes[i] = GC_MALLOC(sizeof(Node));
        if (i == 0) {
            root = nodes[0];
        } else {
            nodes[(i - 1) / 2]->field[(i - 1) % 2] = nodes[i];
            if (linked)
                nodes[i]->field[2] = nodes[draw(&state) % i];
        }
    }
    free(nodes);
    GC_gcollect();
    for (uint64_t i = 0; i < times; i++) {
        GC_gcollect();
        printf("%llu\n", (unsigned long long)last_mark);
    }
}

static void churn(uint64_t objects, uint64_t live)
{
    uint64_t state = 3;
    table = GC_MALLOC(live * sizeof(Node *));
    for (uint64_t i = 0; i < objects; i++) {
        Node *o = GC_MALLOC(sizeof(Node)), *old = table[i % live];
        o->field[0] = table[draw(&state) % live];
        o->field[1] = table[draw(&state) % live];
        if (old != NULL)
            old->field[0] = old->field[1] = NULL;
        table[i % live] = o;
    }
    printf("%llu\n", (unsigned long long)longest_stop);
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    GC_INIT();
    GC_set_on_collection_event(on_event);
    if (strcmp(argv[1], "churn-inc") == 0)
        GC_enable_incremental();
    if (strcmp(argv[1], "tree") == 0 || strcmp(argv[1], "linked") == 0)
        mark(strtoull(argv[2], NULL, 10), strtoull(argv[3], NULL, 10), argv[1][0] == 'l');
    else
        churn(strtoull(argv[2], NULL, 10), strtoull(argv[3], NULL, 10));
    return 0;
}
