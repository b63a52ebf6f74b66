"""A small initramfs around a static busybox: enough to reach a shell on a distribution's kernel."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from pathlib import Path

from vmcore.errors import ImageError
from vmcore.images.cpio import CpioWriter
from vmcore.images.kmod import load_order

__all__ = ["DISK_MODULES", "build_initramfs"]

DISK_MODULES = ("virtio_mmio", "virtio_pci", "virtio_blk", "virtio_rng", "crc32c_generic", "ext4")
"""What a stock Debian kernel must load before it sees a virtio disk with an ext4 file system and /dev/hwrng.

ext4 asks for the checksum by an alias (``crypto-crc32c``) that only a kernel with modprobe resolves.
"""

# The kernel's own console is the shell's, whatever it is called; busybox's init makes `poweroff` an orderly one.
_INITTAB = """\
::sysinit:/etc/rc
::respawn:/etc/session
::shutdown:/etc/shutdown
::ctrlaltdel:/sbin/poweroff
"""

_RC = """\
#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev 2>/dev/null
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /tmp
hostname vmcore
if [ -f /lib/modules/order ]; then
    while read -r module; do
        insmod "/lib/modules/$module.ko" || echo "vmcore: module $module was not loaded"
    done < /lib/modules/order
fi
[ -x /etc/rc.local ] && /etc/rc.local
exit 0
"""

_SHUTDOWN = """\
#!/bin/sh
sync
umount -a -r 2>/dev/null
"""

# `login` on the kernel's command line asks for a name first (root, no password), as an installed system does.
_SESSION = """\
#!/bin/sh
cd /root
export HOME=/root PATH=/sbin:/bin:/usr/sbin:/usr/bin TERM=${TERM:-vt100}
case " $(cat /proc/cmdline) " in
*" login "*) exec cttyhack login ;;
esac
echo
echo "vmcore: busybox on Linux $(uname -r). 'poweroff' ends the machine."
exec cttyhack sh -l
"""

_FILES = {
    "etc/inittab": (_INITTAB, 0o644),
    "etc/rc": (_RC, 0o755),
    "etc/session": (_SESSION, 0o755),
    "etc/shutdown": (_SHUTDOWN, 0o755),
    "etc/passwd": ("root::0:0:root:/root:/bin/sh\n", 0o644),
    "etc/group": ("root:x:0:\ntty:x:5:\n", 0o644),
    "etc/hostname": ("vmcore\n", 0o644),
}

# The first program: busybox links its commands, then becomes init.
_INIT = """\
#!/bin/busybox sh
/bin/busybox --install -s
exec /sbin/init
"""


def build_initramfs(
    busybox: Path,
    out: Path,
    *,
    modules: Path | None = None,
    load: Iterable[str] = DISK_MODULES,
    files: Mapping[str, bytes] | None = None,
) -> Path:
    """Write an initramfs (not compressed: that is what boots fastest) and return its path.

    Parameters
    ----------
    busybox : Path
        A statically linked busybox for the guest.
    out : Path
        The archive to write.
    modules : Path, optional
        The ``modules`` folder of the kernel that will boot it, for instance
        ``pull("debian-kernel").files["modules"]``. Without it no module is loaded.
    load : iterable of str
        The modules to load at boot, when `modules` is given; what they depend on comes along.
    files : mapping of str to bytes, optional
        More files, path to content. Those below ``bin`` and ``sbin``, and an ``etc/rc.local`` that runs at the end of
        the boot, are made executable.

    Raises
    ------
    ImageError
        `busybox` is missing, or a module is neither there nor built in.
    """
    try:
        program = busybox.read_bytes()
    except OSError as error:
        raise ImageError(f"{busybox} cannot be read ({error.strerror})", hint="Give a static busybox.") from error
    buffer = io.BytesIO()
    with CpioWriter(buffer) as archive:
        for folder in ("bin", "sbin", "usr/bin", "usr/sbin", "dev", "proc", "sys", "tmp", "mnt", "root", "etc"):
            archive.folder(folder)
        # The kernel opens this for the first program, before anything is mounted.
        archive.device("dev/console", "c", 5, 1)
        archive.device("dev/null", "c", 1, 3, 0o666)
        archive.file("bin/busybox", program, 0o755)
        archive.file("init", _INIT.encode(), 0o755)
        for name, (text, mode) in _FILES.items():
            archive.file(name, text.encode(), mode)
        if modules is not None:
            order = load_order(modules, load)
            for name, data in order:
                archive.file(f"lib/modules/{name}.ko", data)
            archive.file("lib/modules/order", "".join(f"{name}\n" for name, _ in order).encode())
        for name, data in (files or {}).items():
            runs = name.lstrip("/").startswith(("bin/", "sbin/", "usr/bin/", "usr/sbin/")) or name == "etc/rc.local"
            archive.file(name, data, 0o755 if runs else 0o644)
    out.write_bytes(buffer.getvalue())
    return out
