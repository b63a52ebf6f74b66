/* Disks: virtio block devices behind the virtio-mmio transport, version 2 (virtio 1.2, sections 4.2 and 5.2). */
#ifndef VIRTIO_BLK_H
#define VIRTIO_BLK_H

#include "../common/abi.h"
#include "task.h"

/* Finds the disks among the board's virtio devices. */
void disks_init(void);
u32 disk_count(void);
i64 disk_info(u64 index, struct disk_info *info);
/* Moves whole sectors between a disk and a program's memory; the caller waits. 0 or an error. */
i64 disk_transfer(struct space *space, u64 index, u64 sector, u64 user, u64 sectors, bool write);

#endif
