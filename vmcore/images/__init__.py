"""Guest images: distribution kernels, firmware and small root file systems, fetched for the user and kept in a cache.

>>> from vmcore import images
>>> guest = images.pull("debian-kernel")            # doctest: +SKIP
>>> guest.kernel                                    # doctest: +SKIP
PosixPath('.../vmcore/images/debian-kernel/kernel/vmlinux-6.12...')

Nothing here needs root and nothing outside the cache folder is written. Packages come from a Debian archive by way of
``apt-get`` with a root of its own, so the machine's mirror, proxies and keyring are used, and every file is checked
against the signed index of the archive.
"""

from vmcore.images.catalogue import CATALOGUE, Image
from vmcore.images.cpio import CpioWriter
from vmcore.images.initramfs import build_initramfs
from vmcore.images.store import ImageSet, cache_folder, cached, pull, remove

__all__ = [
    "CATALOGUE",
    "CpioWriter",
    "Image",
    "ImageSet",
    "build_initramfs",
    "cache_folder",
    "cached",
    "pull",
    "remove",
]
