/* The transport of virtio devices that the device tree names: one page of registers each (virtio 1.2, 4.2). */
#include "board.h"
#include "layout.h"
#include "page.h"
#include "print.h"
#include "riscv.h"
#include "virtio.h"

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

static u32 get(const struct virtio *v, u32 reg)
{
    return mmio_read32(v->registers + reg);
}

static void set(const struct virtio *v, u32 reg, u32 value)
{
    mmio_write32(v->registers + reg, value);
}

static void set_address(const struct virtio *v, u32 reg, const void *address)
{
    set(v, reg, (u32)virt_to_phys(address));
    set(v, reg + 4, (u32)(virt_to_phys(address) >> 32));
}

static u64 features(const struct virtio *v)
{
    u64 low;

    set(v, REG_DEVICE_FEATURES_SELECT, 0);
    low = get(v, REG_DEVICE_FEATURES);
    set(v, REG_DEVICE_FEATURES_SELECT, 1);
    return low | (u64)get(v, REG_DEVICE_FEATURES) << 32;
}

static void accept(const struct virtio *v, u64 agreed)
{
    set(v, REG_DRIVER_FEATURES_SELECT, 0);
    set(v, REG_DRIVER_FEATURES, (u32)agreed);
    set(v, REG_DRIVER_FEATURES_SELECT, 1);
    set(v, REG_DRIVER_FEATURES, (u32)(agreed >> 32));
}

static u32 status(const struct virtio *v)
{
    return get(v, REG_STATUS);
}

static void set_status(const struct virtio *v, u32 value)
{
    set(v, REG_STATUS, value);
}

static bool set_queue(const struct virtio *v, const struct virtio_queue *queue)
{
    set(v, REG_QUEUE_SELECT, 0);
    if (get(v, REG_QUEUE_SIZE_MAX) < VIRTIO_QUEUE_SIZE || get(v, REG_QUEUE_READY))
        return false;
    set(v, REG_QUEUE_SIZE, VIRTIO_QUEUE_SIZE);
    set_address(v, REG_QUEUE_DESCRIPTORS, queue->descriptors);
    set_address(v, REG_QUEUE_DRIVER, &queue->driver);
    set_address(v, REG_QUEUE_DEVICE, &queue->device);
    set(v, REG_QUEUE_READY, 1);
    return true;
}

static void notify(const struct virtio *v)
{
    set(v, REG_QUEUE_NOTIFY, 0);
}

static bool acknowledge(const struct virtio *v)
{
    u32 pending = get(v, REG_INTERRUPT_STATUS);

    set(v, REG_INTERRUPT_ACK, pending);
    return pending != 0;
}

static const struct virtio_transport mmio = {features, accept, status, set_status, set_queue, notify, acknowledge};

void virtio_mmio_scan(virtio_found found)
{
    for (u32 i = 0; i < board.virtio_count; i++) {
        struct virtio v = {.transport = &mmio, .irq = board.virtio[i].irq};

        v.registers = board.virtio[i].base + KERNEL_OFFSET;
        v.config = v.registers + REG_CONFIG;
        v.device = get(&v, REG_DEVICE_ID);
        if (get(&v, REG_MAGIC) != MAGIC || v.device == 0)
            continue;
        if (get(&v, REG_VERSION) == 2)
            found(&v);
        else
            printk("virtio device at 0x%lx speaks the legacy protocol only: left alone\n", board.virtio[i].base);
    }
}
