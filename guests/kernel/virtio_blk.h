/* Disks: virtio block devices (virtio 1.2, 5.2). */
#ifndef VIRTIO_BLK_H
#define VIRTIO_BLK_H

#include "../common/abi.h"
#include "task.h"

/* Finds the disks among the board's virtio devices: those in the device tree, then those on PCI. */
void disks_init(void);
u32 disk_count(void);
i64 disk_info(u64 index, struct disk_info *info);
/* Moves whole sectors between a disk and a program's memory; the caller waits. 0 or an error. */
i64 disk_transfer(struct space *space, u64 index, u64 sector, u64 user, u64 sectors, bool write);

#endif
