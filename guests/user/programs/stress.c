/*
 * stress [rounds]: everything that can race, at once. Starts children that allocate, sleep, yield, read the disk, fault
 * and end, kills some of them, and checks what comes back.
 */
#include "../lib/user.h"

#define CHILDREN 12
#define KILL_EVERY 5

static i64 spawn(const char *command)
{
    return call(SYS_SPAWN, command, strlen(command), 0ul);
}

static void fail(const char *what, i64 value)
{
    printf("stress: FAILED: %s (%ld)\n", what, value);
    exit(1);
}

/* A child: memory of its own must stay its own while others come and go. */
static int child(u64 seed)
{
    enum { PAGES = 6, WORDS_A_PAGE = 512 };
    u64 *memory = grow(PAGES * 4096);
    u8 *sector = grow(4096), *again = grow(4096);
    struct disk_info info;
    double sum = (double)seed;
    i64 error;

    for (u64 i = 0; i < PAGES * WORDS_A_PAGE; i++) {
        if (memory[i] != 0)
            fail("fresh memory is not zero", (i64)memory[i]);
        memory[i] = seed * i;
    }
    for (u64 round = 0; round < 4; round++) {
        sum = sum * 0.5 + (double)round;
        call(SYS_YIELD);
        call(SYS_SLEEP, seed * 37 % 1500);
        if (call(SYS_DISK_INFO, 0ul, &info) == 0 && info.sectors >= 8) {
            error = call(SYS_DISK_READ, 0ul, seed % (info.sectors - 7), sector, 8ul);
            if (error)
                fail("disk read", error);
            error = call(SYS_DISK_READ, 0ul, seed % (info.sectors - 7), again, 8ul);
            if (error || memcmp(sector, again, 4096) != 0)
                fail("the disk reads differently the second time", error);
        }
    }
    for (u64 i = 0; i < PAGES * WORDS_A_PAGE; i++) {
        if (memory[i] != seed * i)
            fail("memory changed", (i64)i);
    }
    if (sum != (double)seed / 16 + 4.25)
        fail("floating point registers mixed up", (i64)(sum * 1000));
    return (int)(seed % 100);
}

int main(int argc, char **argv)
{
    u64 rounds = argument(argc, argv, 1, 10), killed = 0, ended = 0;

    if (argc == 3 && strcmp(argv[1], "child") == 0)
        return child(argument(argc, argv, 2, 1));
    for (u64 round = 0; round < rounds; round++) {
        i64 pids[CHILDREN], status;

        for (u64 i = 0; i < CHILDREN; i++) {
            char command[48];

            format_text(command, sizeof(command), "stress child %lu", round * CHILDREN + i + 1);
            pids[i] = spawn(command);
            if (pids[i] < 0)
                fail("spawn", pids[i]);
        }
        for (u64 i = 0; i < CHILDREN; i += KILL_EVERY) {
            if (round & 1)
                call(SYS_SLEEP, i * 100);
            call(SYS_KILL, pids[i]);
        }
        for (u64 i = 0; i < CHILDREN; i++) {
            if (call(SYS_WAIT, pids[i], &status, 1ul) != pids[i])
                fail("wait", pids[i]);
            if (i % KILL_EVERY == 0 && status == STATUS_KILLED + KILLED_BY_USER)
                killed++;
            else if (status == (i64)((round * CHILDREN + i + 1) % 100))
                ended++;
            else
                fail("status of a child", status);
        }
    }
    printf("stress: %lu tasks ended, %lu killed, all well\n", ended, killed);
    return 0;
}
