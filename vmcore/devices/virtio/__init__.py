"""virtio 1.2: the queue and the transports once, a file a device."""
