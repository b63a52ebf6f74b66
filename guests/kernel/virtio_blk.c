/*
 * Each request is a chain of three descriptors: a header that says what and where, the data, and a byte for the
 * device's verdict. The queue has places for REQUESTS chains, each with its own page for the data; a task takes a
 * place, rings the device's doorbell, and sleeps until the interrupt tells that the chain came back.
 */
#include "virtio_blk.h"
#include "../common/string.h"
#include "hart.h"
#include "page.h"
#include "plic.h"
#include "print.h"
#include "riscv.h"
#include "sched.h"
#include "virtio.h"

#define FEATURE_READ_ONLY (1ul << 5)
enum { REQUEST_READ = 0, REQUEST_WRITE = 1 };

#define CHAIN 3
#define REQUESTS (VIRTIO_QUEUE_SIZE / CHAIN)
#define SECTORS_AT_ONCE (PAGE_SIZE / SECTOR_SIZE)
#define MAX_DISKS 4

struct request {
    u32 type, reserved;
    u64 sector;
    u8 verdict;
    bool taken, done;
};

/* What the device reads and writes: physical addresses of these go to it, so they lie in one page. */
struct shared {
    struct virtio_queue queue;
    struct request requests[REQUESTS];
};

_Static_assert(sizeof(struct shared) <= PAGE_SIZE, "one page");

struct disk {
    struct virtio virtio;
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

static void disk_interrupt(void *argument)
{
    struct disk *disk = argument;
    struct shared *shared = disk->shared;

    if (!disk->virtio.transport->acknowledge(&disk->virtio))
        return;
    lock(&disk->lock);
    /* Acquire: an entry is read only after the index that shows it. */
    while (disk->seen != __atomic_load_n(&shared->queue.device.index, __ATOMIC_ACQUIRE)) {
        u32 id = shared->queue.device.ring[disk->seen++ % VIRTIO_QUEUE_SIZE].id;

        if (id % CHAIN || id / CHAIN >= REQUESTS || !shared->requests[id / CHAIN].taken)
            panic("disk %lu answers request %u, which does not exist", (u64)(disk - disks), id);
        shared->requests[id / CHAIN].done = true;
    }
    wake_all(&disk->waiting);
    unlock(&disk->lock);
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

static void add_disk(const struct virtio *virtio)
{
    struct disk *disk = &disks[count];
    u64 features;

    if (virtio->device != VIRTIO_BLOCK || count == MAX_DISKS)
        return;
    memset(disk, 0, sizeof(*disk));
    disk->virtio = *virtio;
    if (!allocate(disk) || !virtio_start(virtio, FEATURE_READ_ONLY, &features, &disk->shared->queue)) {
        printk("virtio disk with interrupt %u cannot be used\n", virtio->irq);
        return;
    }
    disk->read_only = features & FEATURE_READ_ONLY;
    disk->sectors = mmio_read32(virtio->config) | (u64)mmio_read32(virtio->config + 4) << 32;
    count++;
    plic_connect(virtio->irq, disk_interrupt, disk);
    virtio_go(virtio);
}

void disks_init(void)
{
    virtio_mmio_scan(add_disk);
    virtio_pci_scan(add_disk);
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
    *info = (struct disk_info){disk->sectors, disk->read_only, disk->virtio.irq, disk->reads, disk->writes};
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
    struct virtio_descriptor *chain = &shared->queue.descriptors[head];
    u16 index = shared->queue.driver.index;

    request->type = write ? REQUEST_WRITE : REQUEST_READ;
    request->sector = sector;
    request->verdict = 0xff;
    request->done = false;
    chain[0] = (struct virtio_descriptor){virt_to_phys(request), 16, VIRTIO_NEXT, head + 1};
    chain[1] = (struct virtio_descriptor){virt_to_phys(disk->buffers[place]), bytes,
                                   VIRTIO_NEXT | (write ? 0 : VIRTIO_DEVICE_WRITES), head + 2};
    chain[2] = (struct virtio_descriptor){virt_to_phys(&request->verdict), 1, VIRTIO_DEVICE_WRITES, 0};
    shared->queue.driver.ring[index % VIRTIO_QUEUE_SIZE] = head;
    /* Release: the chain and its place in the ring are in memory before the index offers them. */
    __atomic_store_n(&shared->queue.driver.index, index + 1, __ATOMIC_RELEASE);
    disk->virtio.transport->notify(&disk->virtio); /* its fence orders the index before the doorbell */
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
