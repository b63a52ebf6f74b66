/*
 * A virtio device, whatever bus it is on. The transports (virtio_mmio.c, virtio_pci.c) find devices and know how to
 * talk to them; a driver (virtio_blk.c) knows what to say.
 */
#ifndef VIRTIO_H
#define VIRTIO_H

#include "../common/types.h"

#define VIRTIO_BLOCK 2
#define VIRTIO_QUEUE_SIZE 16
#define VIRTIO_VERSION_1 (1ul << 32)

enum virtio_status {
    VIRTIO_ACKNOWLEDGE = 1,
    VIRTIO_DRIVER = 2,
    VIRTIO_DRIVER_OK = 4,
    VIRTIO_FEATURES_OK = 8,
    VIRTIO_FAILED = 128,
};

/* One queue, as device and driver share it (virtio 1.2, 2.7). */
struct virtio_descriptor {
    u64 address;
    u32 length;
    u16 flags, next;
};

enum { VIRTIO_NEXT = 1, VIRTIO_DEVICE_WRITES = 2 };

struct virtio_driver_ring {
    u16 flags, index, ring[VIRTIO_QUEUE_SIZE];
};

struct virtio_device_ring {
    u16 flags, index;
    struct {
        u32 id, length;
    } ring[VIRTIO_QUEUE_SIZE];
};

struct virtio_queue {
    struct virtio_descriptor descriptors[VIRTIO_QUEUE_SIZE] __attribute__((aligned(16)));
    struct virtio_driver_ring driver;
    struct virtio_device_ring device __attribute__((aligned(4)));
};

struct virtio;

struct virtio_transport {
    u64 (*features)(const struct virtio *v);
    void (*accept)(const struct virtio *v, u64 features);
    u32 (*status)(const struct virtio *v);
    void (*set_status)(const struct virtio *v, u32 status);
    /* Hands over queue 0; false when the device does not take it. */
    bool (*set_queue)(const struct virtio *v, const struct virtio_queue *queue);
    void (*notify)(const struct virtio *v);
    /* Takes the interrupt back; false when it was not this device's. */
    bool (*acknowledge)(const struct virtio *v);
};

struct virtio {
    const struct virtio_transport *transport;
    u32 device, irq;
    /* Where its registers are: one block on MMIO, four on PCI. */
    u64 registers, notify_at, isr, config;
};

typedef void (*virtio_found)(const struct virtio *v);

/* Call `found` for every device that is there. */
void virtio_mmio_scan(virtio_found found);
void virtio_pci_scan(virtio_found found);
/* Agrees on features, of which `wanted` are understood, and hands over the queue. False leaves the device failed. */
bool virtio_start(const struct virtio *v, u64 wanted, u64 *agreed, const struct virtio_queue *queue);
void virtio_go(const struct virtio *v);

#endif
