/* The transport of virtio devices on PCI: capabilities tell which BAR holds which registers (virtio 1.2, 4.1). */
#include "board.h"
#include "page.h"
#include "pci.h"
#include "print.h"
#include "riscv.h"
#include "virtio.h"

#define VENDOR 0x1af4
#define MODERN_BASE 0x1040
#define TRANSITIONAL_BLOCK 0x1001

/* Of the common configuration. */
enum {
    REG_DEVICE_FEATURES_SELECT = 0x00,
    REG_DEVICE_FEATURES = 0x04,
    REG_DRIVER_FEATURES_SELECT = 0x08,
    REG_DRIVER_FEATURES = 0x0c,
    REG_STATUS = 0x14,
    REG_QUEUE_SELECT = 0x16,
    REG_QUEUE_SIZE = 0x18,
    REG_QUEUE_ENABLE = 0x1c,
    REG_QUEUE_NOTIFY_OFFSET = 0x1e,
    REG_QUEUE_DESCRIPTORS = 0x20,
    REG_QUEUE_DRIVER = 0x28,
    REG_QUEUE_DEVICE = 0x30,
};

enum { CAPABILITY_COMMON = 1, CAPABILITY_NOTIFY = 2, CAPABILITY_ISR = 3, CAPABILITY_DEVICE = 4, CAPABILITY_KINDS = 5 };

static void set_address(const struct virtio *v, u32 reg, const void *address)
{
    mmio_write32(v->registers + reg, (u32)virt_to_phys(address));
    mmio_write32(v->registers + reg + 4, (u32)(virt_to_phys(address) >> 32));
}

static u64 features(const struct virtio *v)
{
    u64 low;

    mmio_write32(v->registers + REG_DEVICE_FEATURES_SELECT, 0);
    low = mmio_read32(v->registers + REG_DEVICE_FEATURES);
    mmio_write32(v->registers + REG_DEVICE_FEATURES_SELECT, 1);
    return low | (u64)mmio_read32(v->registers + REG_DEVICE_FEATURES) << 32;
}

static void accept(const struct virtio *v, u64 agreed)
{
    mmio_write32(v->registers + REG_DRIVER_FEATURES_SELECT, 0);
    mmio_write32(v->registers + REG_DRIVER_FEATURES, (u32)agreed);
    mmio_write32(v->registers + REG_DRIVER_FEATURES_SELECT, 1);
    mmio_write32(v->registers + REG_DRIVER_FEATURES, (u32)(agreed >> 32));
}

static u32 status(const struct virtio *v)
{
    return mmio_read8(v->registers + REG_STATUS);
}

static void set_status(const struct virtio *v, u32 value)
{
    mmio_write8(v->registers + REG_STATUS, (u8)value);
}

static bool set_queue(const struct virtio *v, const struct virtio_queue *queue)
{
    mmio_write16(v->registers + REG_QUEUE_SELECT, 0);
    if (mmio_read16(v->registers + REG_QUEUE_SIZE) < VIRTIO_QUEUE_SIZE)
        return false;
    mmio_write16(v->registers + REG_QUEUE_SIZE, VIRTIO_QUEUE_SIZE);
    set_address(v, REG_QUEUE_DESCRIPTORS, queue->descriptors);
    set_address(v, REG_QUEUE_DRIVER, &queue->driver);
    set_address(v, REG_QUEUE_DEVICE, &queue->device);
    mmio_write16(v->registers + REG_QUEUE_ENABLE, 1);
    return true;
}

static void notify(const struct virtio *v)
{
    mmio_write16(v->notify_at, 0);
}

static bool acknowledge(const struct virtio *v)
{
    return mmio_read8(v->isr) != 0; /* reading clears it, and the interrupt */
}

static const struct virtio_transport pci = {features, accept, status, set_status, set_queue, notify, acknowledge};

/* Notes where each kind of registers is. The first capability of a kind is the one that the device prefers. */
static bool find_registers(u32 slot, struct virtio *v)
{
    u64 bars[6], places[CAPABILITY_KINDS] = {0};
    u32 step = 0, at = pci_read(slot, PCI_CAPABILITIES) & 0xfc;

    if (!pci_enable(slot, bars))
        return false;
    for (u32 seen = 0; at && seen < 64; seen++) { /* a list that goes in a circle ends, too */
        u32 head = pci_read(slot, at), kind = head >> 24, bar = pci_read(slot, at + 4) & 0xff;

        if ((head & 0xff) == PCI_VENDOR_CAPABILITY && kind < CAPABILITY_KINDS && bar < 6 && bars[bar] &&
            !places[kind]) {
            places[kind] = bars[bar] + pci_read(slot, at + 8);
            if (kind == CAPABILITY_NOTIFY)
                step = pci_read(slot, at + 16);
        }
        at = head >> 8 & 0xfc;
    }
    v->registers = places[CAPABILITY_COMMON];
    v->isr = places[CAPABILITY_ISR];
    v->config = places[CAPABILITY_DEVICE];
    if (!v->registers || !v->isr || !v->config || !places[CAPABILITY_NOTIFY])
        return false;
    mmio_write16(v->registers + REG_QUEUE_SELECT, 0);
    v->notify_at = places[CAPABILITY_NOTIFY] + (u64)mmio_read16(v->registers + REG_QUEUE_NOTIFY_OFFSET) * step;
    return true;
}

void virtio_pci_scan(virtio_found found)
{
    for (u32 slot = 0; board.pci.ecam && slot < PCI_SLOTS; slot++) {
        struct virtio v = {.transport = &pci};
        u32 id = pci_read(slot, PCI_ID);

        if ((id & 0xffff) != VENDOR || (id >> 16 < MODERN_BASE && id >> 16 != TRANSITIONAL_BLOCK))
            continue;
        v.device = id >> 16 == TRANSITIONAL_BLOCK ? VIRTIO_BLOCK : (id >> 16) - MODERN_BASE;
        v.irq = pci_irq(slot);
        if (v.irq && find_registers(slot, &v))
            found(&v);
        else
            printk("virtio device in PCI slot %u cannot be used\n", slot);
    }
}
