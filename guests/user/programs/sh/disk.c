/* disk: looks at sectors and changes them. */
#include "sh.h"

#define PART 8 /* sectors moved at once */

static u8 buffer[PART * SECTOR_SIZE] __attribute__((aligned(8)));

static bool failed(i64 error)
{
    static const char *const why[] = {
        "", "outside of the disk, or the disk is read-only", "bad pointer", "no such disk", "no memory",
        "the device reports an error",
    };

    if (error < 0)
        printf("disk: %s\n", -error < (i64)ARRAY_SIZE(why) ? why[-error] : "failed");
    return error < 0;
}

static void list(void)
{
    struct disk_info info;
    u64 i = 0;

    for (; call(SYS_DISK_INFO, i, &info) == 0; i++)
        printf("disk %lu: %lu sectors (%lu KiB)%s, interrupt %u, %lu reads, %lu writes\n", i, info.sectors,
               info.sectors / 2, info.read_only ? ", read-only" : "", info.irq, info.reads, info.writes);
    if (i == 0)
        print("no disk\n");
}

static void show(u64 disk, u64 sector)
{
    if (failed(call(SYS_DISK_READ, disk, sector, buffer, 1ul)))
        return;
    for (u32 at = 0; at < SECTOR_SIZE; at += 16) {
        char line[96], text[17];
        size_t used = format_text(line, sizeof(line), "%08lx ", sector * SECTOR_SIZE + at);

        for (u32 i = 0; i < 16; i++) {
            u8 byte = buffer[at + i];

            used += format_text(line + used, sizeof(line) - used, " %02x", byte);
            text[i] = byte >= ' ' && byte < 127 ? (char)byte : '.';
        }
        text[16] = 0;
        printf("%s  |%s|\n", line, text);
    }
}

static void write_text(u64 disk, u64 sector, int argc, char **argv)
{
    size_t used = 0;

    memset(buffer, 0, SECTOR_SIZE);
    for (int i = 0; i < argc; i++)
        used += format_text((char *)buffer + used, SECTOR_SIZE - used, i ? " %s" : "%s", argv[i]);
    if (!failed(call(SYS_DISK_WRITE, disk, sector, buffer, 1ul)))
        printf("%lu bytes written to sector %lu\n", used, sector);
}

/* Every 64-bit word is a function of its place (splitmix64), so anyone can check it. */
static void fill(u64 disk, u64 sector, u64 sectors)
{
    for (u64 done = 0; done < sectors;) {
        u64 part = MIN(sectors - done, PART);
        u64 *words = (u64 *)buffer;

        for (u64 i = 0; i < part * SECTOR_SIZE / 8; i++) {
            u64 z = ((sector + done) * SECTOR_SIZE / 8 + i + 1) * 0x9e3779b97f4a7c15ul;

            z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ul;
            z = (z ^ z >> 27) * 0x94d049bb133111ebul;
            words[i] = z ^ z >> 31;
        }
        if (failed(call(SYS_DISK_WRITE, disk, sector + done, buffer, part)))
            return;
        done += part;
    }
    printf("%lu sectors written from sector %lu on\n", sectors, sector);
}

/* CRC-32 as zlib, gzip and PNG have it. */
static void checksum(u64 disk, u64 sector, u64 sectors)
{
    u32 crc = 0xffffffff;

    for (u64 done = 0; done < sectors;) {
        u64 part = MIN(sectors - done, PART);

        if (failed(call(SYS_DISK_READ, disk, sector + done, buffer, part)))
            return;
        for (u64 i = 0; i < part * SECTOR_SIZE; i++) {
            crc ^= buffer[i];
            for (u32 bit = 0; bit < 8; bit++)
                crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
        }
        done += part;
    }
    printf("crc32 of %lu sectors from %lu: %08x\n", sectors, sector, ~crc);
}

void cmd_disk(int argc, char **argv)
{
    u64 disk = 0, sector, sectors;
    struct disk_info info = {0};

    if (argc > 1 && parse_number(argv[1], &disk)) {
        argc--;
        argv++;
    }
    if (argc == 1) {
        list();
        return;
    }
    call(SYS_DISK_INFO, disk, &info);
    sector = argument(argc, argv, 2, 0);
    sectors = argument(argc, argv, 3, info.sectors - sector);
    if (strcmp(argv[1], "read") == 0)
        show(disk, sector);
    else if (strcmp(argv[1], "write") == 0 && argc > 3)
        write_text(disk, sector, argc - 3, argv + 3);
    else if (strcmp(argv[1], "fill") == 0 && argc > 3)
        fill(disk, sector, sectors);
    else if (strcmp(argv[1], "sum") == 0)
        checksum(disk, sector, sectors);
    else
        print("disk [NUMBER] [read SECTOR | write SECTOR TEXT | fill SECTOR COUNT | sum [SECTOR COUNT]]\n");
}
