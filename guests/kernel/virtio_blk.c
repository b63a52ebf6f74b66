/*
 * Each request is a chain of three descriptors: a header that says what and where, the data, and a byte for the
 * device's verdict. The queue has places for REQUESTS chains, each with its own page for the data; a task takes a
 * place, rings the device's doorbell, and sleeps until the interrupt tells that the chain came back.
 */
#include "virtio_blk.h"
#include "../common/string.h"
#include "board.h"
#include "hart.h"
#include "page.h"
#include "plic.h"
#include "print.h"
#include "riscv.h"
#include "sched.h"

enum {
    REG_MAGIC = 0x000,
    REG_VERSION = 0x004,
    REG_DEVICE_ID = 0x008,
    REG_DEVICE_FEATURES = 0x010,
    REG_DEVICE_FEATURES_SELECT = 0x014,
    REG_DRIVER_FEATURES = 0x020,
    REG_DRIVER_FEATURES_SELECT = 0x024,
    REG_QUEUE_SELECT = 0x030,
    REG_QUEUE_SIZE_MAX = 0x034,
    REG_QUEUE_SIZE = 0x038,
    REG_QUEUE_READY = 0x044,
    REG_QUEUE_NOTIFY = 0x050,
    REG_INTERRUPT_STATUS = 0x060,
    REG_INTERRUPT_ACK = 0x064,
    REG_STATUS = 0x070,
    REG_QUEUE_DESCRIPTORS = 0x080,
    REG_QUEUE_DRIVER = 0x090,
    REG_QUEUE_DEVICE = 0x0a0,
    REG_CONFIG = 0x100,
};

#define MAGIC 0x74726976
#define DEVICE_BLOCK 2
enum { STATUS_ACKNOWLEDGE = 1, STATUS_DRIVER = 2, STATUS_DRIVER_OK = 4, STATUS_FEATURES_OK = 8, STATUS_FAILED = 128 };
#define FEATURE_READ_ONLY (1ul << 5)
#define FEATURE_VERSION_1 (1ul << 32)
enum { REQUEST_READ = 0, REQUEST_WRITE = 1 };
enum { DESCRIPTOR_NEXT = 1, DESCRIPTOR_DEVICE_WRITES = 2 };

#define QUEUE_SIZE 16
#define CHAIN 3
#define REQUESTS (QUEUE_SIZE / CHAIN)
#define SECTORS_AT_ONCE (PAGE_SIZE / SECTOR_SIZE)
#define MAX_DISKS 4

struct descriptor {
    u64 address;
    u32 length;
    u16 flags, next;
};

struct driver_ring {
    u16 flags, index, ring[QUEUE_SIZE];
};

struct device_ring {
    u16 flags, index;
    struct {
        u32 id, length;
    } ring[QUEUE_SIZE];
};

struct request {
    u32 type, reserved;
    u64 sector;
    u8 verdict;
    bool taken, done;
};

/* What the device reads and writes: physical addresses of these go to it, so they lie in one page. */
struct shared {
    struct descriptor descriptors[QUEUE_SIZE] __attribute__((aligned(16)));
    struct driver_ring driver;
    struct device_ring device __attribute__((aligned(4)));
    struct request requests[REQUESTS];
};

_Static_assert(sizeof(struct shared) <= PAGE_SIZE, "one page");

struct disk {
    u64 base;
    u32 irq;
    bool read_only;
    u64 sectors, reads, writes;
    struct shared *shared;
    u8 *buffers[REQUESTS];
    u16 seen; /* how far the device's ring has been read */
    struct spinlock lock;
    struct task_queue waiting; /* for a place, or for the end of their request */
};

static struct disk disks[MAX_DISKS];
static u32 count;

static u32 get(const struct disk *disk, u32 reg)
{
    return mmio_read32(disk->base + reg);
}

static void set(const struct disk *disk, u32 reg, u32 value)
{
    mmio_write32(disk->base + reg, value);
}

static void set_address(const struct disk *disk, u32 reg, const void *address)
{
    set(disk, reg, (u32)virt_to_phys(address));
    set(disk, reg + 4, (u32)(virt_to_phys(address) >> 32));
}

static void disk_interrupt(void *argument)
{
    struct disk *disk = argument;
    struct shared *shared = disk->shared;

    lock(&disk->lock);
    set(disk, REG_INTERRUPT_ACK, get(disk, REG_INTERRUPT_STATUS));
    /* Acquire: an entry is read only after the index that shows it. */
    while (disk->seen != __atomic_load_n(&shared->device.index, __ATOMIC_ACQUIRE)) {
        u32 id = shared->device.ring[disk->seen++ % QUEUE_SIZE].id;

        if (id % CHAIN || id / CHAIN >= REQUESTS || !shared->requests[id / CHAIN].taken)
            panic("disk at 0x%lx answers request %u, which does not exist", disk->base, id);
        shared->requests[id / CHAIN].done = true;
    }
    wake_all(&disk->waiting);
    unlock(&disk->lock);
}

/* Agrees on features and hands over the queue (virtio 1.2, 3.1.1). */
static bool negotiate(struct disk *disk)
{
    u64 features;

    set(disk, REG_STATUS, 0);
    set(disk, REG_STATUS, STATUS_ACKNOWLEDGE);
    set(disk, REG_STATUS, STATUS_ACKNOWLEDGE | STATUS_DRIVER);
    set(disk, REG_DEVICE_FEATURES_SELECT, 0);
    features = get(disk, REG_DEVICE_FEATURES);
    set(disk, REG_DEVICE_FEATURES_SELECT, 1);
    features |= (u64)get(disk, REG_DEVICE_FEATURES) << 32;
    if (!(features & FEATURE_VERSION_1))
        return false;
    features &= FEATURE_VERSION_1 | FEATURE_READ_ONLY;
    disk->read_only = features & FEATURE_READ_ONLY;
    set(disk, REG_DRIVER_FEATURES_SELECT, 0);
    set(disk, REG_DRIVER_FEATURES, (u32)features);
    set(disk, REG_DRIVER_FEATURES_SELECT, 1);
    set(disk, REG_DRIVER_FEATURES, (u32)(features >> 32));
    set(disk, REG_STATUS, STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK);
    if (!(get(disk, REG_STATUS) & STATUS_FEATURES_OK))
        return false;

    set(disk, REG_QUEUE_SELECT, 0);
    if (get(disk, REG_QUEUE_SIZE_MAX) < QUEUE_SIZE || get(disk, REG_QUEUE_READY))
        return false;
    set(disk, REG_QUEUE_SIZE, QUEUE_SIZE);
    set_address(disk, REG_QUEUE_DESCRIPTORS, disk->shared->descriptors);
    set_address(disk, REG_QUEUE_DRIVER, &disk->shared->driver);
    set_address(disk, REG_QUEUE_DEVICE, &disk->shared->device);
    set(disk, REG_QUEUE_READY, 1);
    return true;
}

static bool allocate(struct disk *disk)
{
    u64 page = page_alloc();

    disk->shared = page ? phys_to_virt(page) : NULL;
    for (u32 i = 0; i < REQUESTS && page; i++) {
        page = page_alloc();
        disk->buffers[i] = page ? phys_to_virt(page) : NULL;
    }
    return page != 0;
}

static void add_disk(const struct board_device *device)
{
    struct disk *disk = &disks[count];

    memset(disk, 0, sizeof(*disk));
    disk->base = device->base + KERNEL_OFFSET;
    disk->irq = device->irq;
    if (get(disk, REG_MAGIC) != MAGIC || get(disk, REG_DEVICE_ID) != DEVICE_BLOCK)
        return;
    if (get(disk, REG_VERSION) != 2) {
        printk("virtio device at 0x%lx speaks the legacy protocol only: left alone\n", device->base);
        return;
    }
    if (!allocate(disk) || !negotiate(disk)) {
        set(disk, REG_STATUS, STATUS_FAILED);
        printk("virtio device at 0x%lx cannot be used\n", device->base);
        return;
    }
    disk->sectors = get(disk, REG_CONFIG) | (u64)get(disk, REG_CONFIG + 4) << 32;
    plic_connect(disk->irq, disk_interrupt, disk);
    set(disk, REG_STATUS, STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK | STATUS_DRIVER_OK);
    count++;
}

void disks_init(void)
{
    for (u32 i = 0; i < board.virtio_count && count < MAX_DISKS; i++)
        add_disk(&board.virtio[i]);
}

u32 disk_count(void)
{
    return count;
}

i64 disk_info(u64 index, struct disk_info *info)
{
    const struct disk *disk = &disks[index];

    if (index >= count)
        return E_NOENT;
    *info = (struct disk_info){disk->sectors, disk->read_only, disk->irq, disk->reads, disk->writes};
    return 0;
}

static void wait(struct disk *disk)
{
    block_uninterruptible(&disk->waiting, &disk->lock);
    lock(&disk->lock);
}

/* A place in the queue; waits for one. The lock is held. */
static u32 take_place(struct disk *disk)
{
    for (;;) {
        for (u32 i = 0; i < REQUESTS; i++) {
            if (!disk->shared->requests[i].taken) {
                disk->shared->requests[i].taken = true;
                return i;
            }
        }
        wait(disk);
    }
}

static void submit(struct disk *disk, u32 place, u64 sector, u32 bytes, bool write)
{
    struct shared *shared = disk->shared;
    struct request *request = &shared->requests[place];
    u16 head = (u16)(place * CHAIN);
    struct descriptor *chain = &shared->descriptors[head];
    u16 index = shared->driver.index;

    request->type = write ? REQUEST_WRITE : REQUEST_READ;
    request->sector = sector;
    request->verdict = 0xff;
    request->done = false;
    chain[0] = (struct descriptor){virt_to_phys(request), 16, DESCRIPTOR_NEXT, head + 1};
    chain[1] = (struct descriptor){virt_to_phys(disk->buffers[place]), bytes,
                                   DESCRIPTOR_NEXT | (write ? 0 : DESCRIPTOR_DEVICE_WRITES), head + 2};
    chain[2] = (struct descriptor){virt_to_phys(&request->verdict), 1, DESCRIPTOR_DEVICE_WRITES, 0};
    shared->driver.ring[index % QUEUE_SIZE] = head;
    /* Release: the chain and its place in the ring are in memory before the index offers them. */
    __atomic_store_n(&shared->driver.index, index + 1, __ATOMIC_RELEASE);
    set(disk, REG_QUEUE_NOTIFY, 0); /* the fence in front of it orders the index before the doorbell */
}

/* Up to a page. */
static i64 transfer_part(struct disk *disk, struct space *space, u64 sector, u64 user, u32 bytes, bool write)
{
    u32 place;
    u8 verdict;
    i64 result = 0;

    lock(&disk->lock);
    place = take_place(disk);
    unlock(&disk->lock);

    /* The place is ours, so its buffer needs no lock. */
    if (write && !copy_from_user(space, disk->buffers[place], user, bytes))
        result = E_FAULT;
    lock(&disk->lock);
    if (!result) {
        submit(disk, place, sector, bytes, write);
        while (!disk->shared->requests[place].done)
            wait(disk);
        verdict = disk->shared->requests[place].verdict;
        result = verdict ? E_IO : 0;
        *(write ? &disk->writes : &disk->reads) += 1;
    }
    unlock(&disk->lock);
    if (!write && !result && !copy_to_user(space, user, disk->buffers[place], bytes))
        result = E_FAULT;
    lock(&disk->lock);
    disk->shared->requests[place].taken = false;
    wake_all(&disk->waiting);
    unlock(&disk->lock);
    return result;
}

i64 disk_transfer(struct space *space, u64 index, u64 sector, u64 user, u64 sectors, bool write)
{
    struct disk *disk = &disks[index];

    if (index >= count)
        return E_NOENT;
    if (sector > disk->sectors || sectors > disk->sectors - sector || (write && disk->read_only))
        return E_INVAL;
    while (sectors) {
        u64 part = MIN(sectors, SECTORS_AT_ONCE);
        i64 error = transfer_part(disk, space, sector, user, (u32)(part * SECTOR_SIZE), write);

        if (error)
            return error;
        sector += part;
        user += part * SECTOR_SIZE;
        sectors -= part;
    }
    return 0;
}
