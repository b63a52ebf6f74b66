// Moves numbers through a queue of 1024 records and prints nanoseconds of CPU time an item. The same loops drive every
// queue: ours out of the header that vmcore itself is compiled with, and boost's.
//
//     driver QUEUE pair|batch|threads COUNT
#include <boost/lockfree/queue.hpp>
#include <boost/lockfree/spsc_queue.hpp>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <pthread.h>
#include <thread>
#include <time.h>

#include "ring.h"

namespace {

constexpr uint64_t CAPACITY = 1024;
constexpr uint64_t BATCH = 64;

struct Ours {
    VmRing ring;
    Ours() { vmcore_ring_lay_out(&ring, calloc(vmcore_ring_bytes(CAPACITY, 1), 1), CAPACITY, 1); }
    bool push(uint64_t v) { return vmcore_ring_push(&ring, &v, 1, 1, 0) != 0; }
    bool pop(uint64_t &v) { return vmcore_ring_pop(&ring, &v, 1, 1, 0) != 0; }
    uint64_t push_many(const uint64_t *v, uint64_t n) { return vmcore_ring_push(&ring, v, n, 1, 0); }
    uint64_t pop_many(uint64_t *v, uint64_t n) { return vmcore_ring_pop(&ring, v, n, 1, 0); }
};

struct Boost {
    boost::lockfree::queue<uint64_t, boost::lockfree::capacity<CAPACITY>> queue;
    bool push(uint64_t v) { return queue.push(v); }
    bool pop(uint64_t &v) { return queue.pop(v); }
};

// For one producer and one consumer only: no peer, but what such a restriction is worth.
struct BoostSpsc {
    boost::lockfree::spsc_queue<uint64_t, boost::lockfree::capacity<CAPACITY>> queue;
    bool push(uint64_t v) { return queue.push(v); }
    bool pop(uint64_t &v) { return queue.pop(v); }
    uint64_t push_many(const uint64_t *v, uint64_t n) { return queue.push(v, n); }
    uint64_t pop_many(uint64_t *v, uint64_t n) { return queue.pop(v, n); }
};

double seconds(clockid_t clock)
{
    timespec time;
    clock_gettime(clock, &time);
    return time.tv_sec + time.tv_nsec * 1e-9;
}

void fail(const char *what)
{
    fprintf(stderr, "%s\n", what);
    exit(1);
}

void pin(unsigned nth)
{
    cpu_set_t allowed, one;
    sched_getaffinity(0, sizeof allowed, &allowed);
    for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, &allowed) && nth-- == 0) {
            CPU_ZERO(&one);
            CPU_SET(cpu, &one);
            pthread_setaffinity_np(pthread_self(), sizeof one, &one);
            return;
        }
    }
    fail("two threads want two processors");
}

template <class Queue> double pair(Queue &queue, uint64_t count)
{
    uint64_t sum = 0, value = 0;
    double start = seconds(CLOCK_THREAD_CPUTIME_ID);
    for (uint64_t i = 0; i < count; i++) {
        if (!queue.push(i) || !queue.pop(value))
            fail("a push or a pop was refused");
        sum += value;
    }
    double spent = seconds(CLOCK_THREAD_CPUTIME_ID) - start;
    if (sum != count * (count - 1) / 2)
        fail("what came out is not what went in");
    return spent;
}

template <class Queue> double batch(Queue &queue, uint64_t count)
{
    uint64_t in[BATCH], out[BATCH], sum = 0;
    double start = seconds(CLOCK_THREAD_CPUTIME_ID);
    for (uint64_t i = 0; i < count; i += BATCH) {
        for (uint64_t j = 0; j < BATCH; j++)
            in[j] = i + j;
        if (queue.push_many(in, BATCH) != BATCH || queue.pop_many(out, BATCH) != BATCH)
            fail("a batch was refused");
        for (uint64_t j = 0; j < BATCH; j++)
            sum += out[j];
    }
    double spent = seconds(CLOCK_THREAD_CPUTIME_ID) - start;
    if (sum != count * (count - 1) / 2)
        fail("what came out is not what went in");
    return spent;
}

template <class Queue> double threads(Queue &queue, uint64_t count)
{
    double start = seconds(CLOCK_PROCESS_CPUTIME_ID);
    std::thread consumer([&] {
        pin(1);
        for (uint64_t i = 0, value = 0; i < count; i++) {
            while (!queue.pop(value))
                vmcore_ring_pause();
            if (value != i)
                fail("what came out is not what went in");
        }
    });
    std::thread producer([&] {
        pin(0);
        for (uint64_t i = 0; i < count; i++)
            while (!queue.push(i))
                vmcore_ring_pause();
    });
    producer.join();
    consumer.join();
    // Both are busy all the time: half of what they spent is how long it took.
    return (seconds(CLOCK_PROCESS_CPUTIME_ID) - start) / 2;
}

template <class Queue> double measure(const char *what, uint64_t count)
{
    static Queue queue;
    if (!strcmp(what, "pair"))
        return pair(queue, count);
    if (!strcmp(what, "threads"))
        return threads(queue, count);
    if constexpr (requires { &Queue::push_many; })
        if (!strcmp(what, "batch"))
            return batch(queue, count);
    fail("no such measurement");
    return 0;
}

}  // namespace

int main(int argc, char **argv)
{
    if (argc != 4)
        fail("usage: driver ours|boost|boost-spsc pair|batch|threads COUNT");
    uint64_t count = strtoull(argv[3], nullptr, 10);
    double spent = !strcmp(argv[1], "ours")    ? measure<Ours>(argv[2], count)
                   : !strcmp(argv[1], "boost") ? measure<Boost>(argv[2], count)
                                               : measure<BoostSpsc>(argv[2], count);
    printf("%.4f\n", spent / count * 1e9);
}
