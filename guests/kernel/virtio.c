#include "virtio.h"

bool virtio_start(const struct virtio *v, u64 wanted, u64 *agreed, const struct virtio_queue *queue)
{
    const struct virtio_transport *t = v->transport;

    /* The order is prescribed: virtio 1.2, 3.1.1. */
    t->set_status(v, 0);
    while (t->status(v))
        ; /* reading 0 means that the reset is done */
    t->set_status(v, VIRTIO_ACKNOWLEDGE);
    t->set_status(v, VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER);
    *agreed = t->features(v) & (wanted | VIRTIO_VERSION_1);
    t->accept(v, *agreed);
    t->set_status(v, VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER | VIRTIO_FEATURES_OK);
    if (*agreed & VIRTIO_VERSION_1 && t->status(v) & VIRTIO_FEATURES_OK && t->set_queue(v, queue))
        return true;
    t->set_status(v, VIRTIO_FAILED);
    return false;
}

void virtio_go(const struct virtio *v)
{
    v->transport->set_status(v, VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER | VIRTIO_FEATURES_OK | VIRTIO_DRIVER_OK);
}
