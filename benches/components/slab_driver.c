/* The loops that drive every allocator alike, through two function pointers. */
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef void *(*take_t)(size_t);
typedef void (*give_t)(void *);

enum { BATCH = 1000, SLOTS = 1024, SIZES = 4096, RING = 4096 };

static uint16_t sizes[SIZES];

static uint64_t next(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* Sizes of 16 to 4096 bytes, each doubling as likely as any other: small ones are the many. */
static void draw_sizes(void)
{
    uint64_t seed = 88172645463325252u;
    for (int i = 0; i < SIZES; i++) {
        uint64_t low = (uint64_t)16 << next(&seed) % 8;
        sizes[i] = (uint16_t)(low + next(&seed) % low);
    }
}

static double cpu(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static inline void touch(void *block)
{
    *(volatile char *)block = 1;
}

/* Nanoseconds a malloc and its free: one block at a time. */
double drive_pair(take_t take, give_t give, size_t size, long n)
{
    double start = cpu();
    for (long i = 0; i < n; i++) {
        void *block = take(size);
        touch(block);
        give(block);
    }
    return (cpu() - start) * 1e9 / (double)n;
}

/* The same, a thousand blocks at a time, given back in the order they came. */
double drive_batch(take_t take, give_t give, size_t size, long n)
{
    void *blocks[BATCH];
    double start = cpu();
    for (long i = 0; i < n; i += BATCH) {
        for (int k = 0; k < BATCH; k++) {
            blocks[k] = take(size);
            touch(blocks[k]);
        }
        for (int k = 0; k < BATCH; k++)
            give(blocks[k]);
    }
    return (cpu() - start) * 1e9 / (double)n;
}

/* A thousand slots of blocks of mixed sizes; each step replaces a random one. */
double drive_mixed(take_t take, give_t give, long n, uint64_t seed)
{
    void *slots[SLOTS] = {0};
    double start;
    draw_sizes();
    start = cpu();
    for (long i = 0; i < n; i++) {
        uint64_t r = next(&seed);
        void **slot = &slots[r % SLOTS];
        if (*slot)
            give(*slot);
        *slot = take(sizes[r >> 32 & (SIZES - 1)]);
        touch(*slot);
    }
    for (int k = 0; k < SLOTS; k++)
        if (slots[k])
            give(slots[k]);
    return (cpu() - start) * 1e9 / (double)n;
}

struct part {
    take_t take;
    give_t give;
    long n;
    uint64_t seed;
    double ns;
};

static void *mixed_part(void *argument)
{
    struct part *part = argument;
    part->ns = drive_mixed(part->take, part->give, part->n, part->seed);
    return NULL;
}

/* Two threads, each with slots of its own. */
double drive_threads(take_t take, give_t give, long n)
{
    struct part parts[2] = {{take, give, n, 0x9e3779b97f4a7c15u, 0}, {take, give, n, 0xd1b54a32d192ed03u, 0}};
    pthread_t other;
    pthread_create(&other, NULL, mixed_part, &parts[1]);
    mixed_part(&parts[0]);
    pthread_join(other, NULL);
    return (parts[0].ns + parts[1].ns) / 2;
}

/* One thread allocates, the other frees: a ring of blocks between them, handed over in lots. */
static struct {
    _Alignas(64) uint64_t head;
    _Alignas(64) uint64_t tail;
    _Alignas(64) void *cells[RING];
} ring;

static void *producer(void *argument)
{
    struct part *part = argument;
    double start = cpu();
    for (long i = 0; i < part->n; i += 64) {
        while ((uint64_t)i + 64 - __atomic_load_n(&ring.tail, __ATOMIC_ACQUIRE) > RING)
            sched_yield();
        for (int k = 0; k < 64; k++) {
            void *block = part->take(sizes[(i + k) & (SIZES - 1)]);
            touch(block);
            ring.cells[(i + k) & (RING - 1)] = block;
        }
        __atomic_store_n(&ring.head, (uint64_t)i + 64, __ATOMIC_RELEASE);
    }
    part->ns = (cpu() - start) * 1e9 / (double)part->n;
    return NULL;
}

double drive_handover(take_t take, give_t give, long n)
{
    struct part part = {take, give, n / 64 * 64, 0, 0};
    pthread_t other;
    double start;
    draw_sizes();
    ring.head = ring.tail = 0;
    start = cpu();
    pthread_create(&other, NULL, producer, &part);
    for (long i = 0; i < part.n; i += 64) {
        while (__atomic_load_n(&ring.head, __ATOMIC_ACQUIRE) < (uint64_t)i + 64)
            sched_yield();
        for (int k = 0; k < 64; k++)
            give(ring.cells[(i + k) & (RING - 1)]);
        __atomic_store_n(&ring.tail, (uint64_t)i + 64, __ATOMIC_RELEASE);
    }
    double mine = (cpu() - start) * 1e9 / (double)part.n;
    pthread_join(other, NULL);
    return mine + part.ns;
}

static long resident(void)
{
    long total, pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file && fscanf(file, "%ld %ld", &total, &pages) != 2)
        pages = 0;
    if (file)
        fclose(file);
    return pages * sysconf(_SC_PAGESIZE);
}

/* Churn in phases: each fills up to `live` bytes with sizes of another range and then loses most of them, at random.
 * What stays spreads over everything that was ever in use. Returns resident bytes above the start for each live byte.
 */
double drive_churn(take_t take, give_t give, long live, int phases)
{
    long room = live / 16, count = 0, bytes = 0, before;
    struct { void *at; uint32_t size; } *blocks = calloc((size_t)room, sizeof *blocks);
    uint64_t seed = 0x2545f4914f6cdd1du;
    memset(blocks, 1, (size_t)room * sizeof *blocks);
    before = resident();
    for (int phase = 0; phase < phases; phase++) {
        uint32_t least = 32u << phase % 5;
        while (bytes < live && count < room) {
            uint32_t size = least + (uint32_t)(next(&seed) % (least * 3));
            blocks[count].at = take(size);
            blocks[count].size = size;
            memset(blocks[count].at, 1, size);
            bytes += size;
            count++;
        }
        for (long k = count * 4 / 5; k > 0; k--) {
            long i = (long)(next(&seed) % (uint64_t)count);
            give(blocks[i].at);
            bytes -= blocks[i].size;
            blocks[i] = blocks[--count];
        }
    }
    double result = (double)(resident() - before) / (double)bytes;
    while (count > 0)
        give(blocks[--count].at);
    free(blocks);
    return result;
}
