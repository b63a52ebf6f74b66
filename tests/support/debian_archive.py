"""A Debian archive of our own making, small enough to build in a test, served from this machine."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import os
import struct
import tarfile
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import socket

OPENSBI = "usr/lib/riscv64-linux-gnu/opensbi/generic/"


def tar_of(members: Iterable[tuple[str, bytes] | tarfile.TarInfo]) -> bytes:
    """A tar archive; a member is (path, content) or a header of the test's own (a link, a device, a hostile path)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
            else:
                header = tarfile.TarInfo(member[0])
                header.size = len(member[1])
                archive.addfile(header, io.BytesIO(member[1]))
    return buffer.getvalue()


def deb_of(data_tar: bytes, name: str = "p") -> bytes:
    """A Debian package around the archive `data_tar`."""
    control = f"Package: {name}\nVersion: 1\nArchitecture: all\nMaintainer: t\nDescription: t\n".encode()
    parts = (
        (b"debian-binary", b"2.0\n"),
        (b"control.tar.gz", gzip.compress(tar_of([("./control", control)]), mtime=0)),
        (b"data.tar.gz", gzip.compress(data_tar, mtime=0)),
    )
    out = b"!<arch>\n"
    for part, content in parts:
        out += b"%-16s%-12d%-6d%-6d%-8o%-10d`\n" % (part, 0, 0, 0, 0o100644, len(content))
        out += content + b"\n" * (len(content) % 2)
    return out


def module_of(**modinfo: str) -> bytes:
    """An ELF file with nothing but a ``.modinfo`` section, as far as the loader of modules looks."""
    info = b"".join(f"{key}={value}".encode() + b"\0" for key, value in modinfo.items())
    names = b"\0.modinfo\0.shstrtab\0"
    info_at, names_at = 64, 64 + len(info)
    table_at = (names_at + len(names) + 7) & ~7
    header = b"\x7fELF\x02\x01\x01" + bytes(9)
    header += struct.pack("<HHIQQQIHHHHHH", 1, 243, 1, 0, 0, table_at, 0, 64, 0, 0, 64, 3, 2)
    rows = bytes(64)
    rows += struct.pack("<IIQQQQIIQQ", 1, 1, 2, 0, info_at, len(info), 0, 0, 1, 0)
    rows += struct.pack("<IIQQQQIIQQ", 10, 3, 0, 0, names_at, len(names), 0, 0, 1, 0)
    body = header + info + names
    return body + bytes(table_at - len(body)) + rows


@dataclass
class Archive:
    """The folder of an archive; change its files to make it lie."""

    folder: Path
    url: str = ""
    requests: list[str] = field(default_factory=list)
    rows: dict[str, str] = field(default_factory=dict)
    editions: int = 0

    def add(self, name: str, data_tar: bytes, version: str = "1", depends: str = "", arch: str = "riscv64") -> Path:
        """Put a package into the pool and name it in the index."""
        deb = deb_of(data_tar, name)
        path = self.folder / "pool" / f"{name}_{version}_{arch}.deb"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(deb)
        self.rows[name] = (
            f"Package: {name}\nVersion: {version}\nArchitecture: {arch}\nMaintainer: t\nDescription: t\n"
            + (f"Depends: {depends}\n" if depends else "")
            + f"Filename: pool/{path.name}\nSize: {len(deb)}\nSHA256: {hashlib.sha256(deb).hexdigest()}\n\n"
        )
        self.publish()
        return path

    def publish(self) -> None:
        """Write the index and the release file that vouches for it."""
        dist = self.folder / "dists/trixie"
        packages = "".join(self.rows.values()).encode()
        index = dist / "main/binary-riscv64/Packages"
        index.parent.mkdir(parents=True, exist_ok=True)
        index.write_bytes(packages)
        digest = hashlib.sha256(packages).hexdigest()
        (dist / "Release").write_text(
            "Origin: test\nSuite: trixie\nCodename: trixie\nArchitectures: riscv64\nComponents: main\n"
            "Date: Sat, 01 Nov 2025 00:00:00 UTC\n"
            f"SHA256:\n {digest} {len(packages)} main/binary-riscv64/Packages\n"
        )
        # apt asks for what is newer than its copy, in whole seconds: every edition must have its own.
        self.editions += 1
        os.utime(dist / "Release", (1_600_000_000 + self.editions,) * 2)


@contextlib.contextmanager
def served(folder: Path) -> Iterator[Archive]:
    """An empty archive below `folder`, served on a free port of the loopback while the context is open."""
    archive = Archive(folder / "debian")
    archive.folder.mkdir()
    archive.publish()

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, request: socket, address: tuple[str, int], server: ThreadingHTTPServer) -> None:
            super().__init__(request, address, server, directory=str(folder))

        def do_GET(self) -> None:
            archive.requests.append(self.path)
            super().do_GET()

        def log_message(self, *args: object) -> None:
            """Say nothing: the test's output is about the test."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        archive.url = f"http://127.0.0.1:{server.server_address[1]}/debian"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield archive
        finally:
            server.shutdown()
            thread.join()


def add_kernel(archive: Archive, version: str) -> None:
    """Publish a kernel of that version and the metapackage that names it."""
    modules = f"./usr/lib/modules/{version}-riscv64"
    archive.add(
        f"linux-image-{version}-riscv64",
        tar_of(
            [
                (f"./boot/vmlinux-{version}-riscv64", b"kernel " + version.encode()),
                (f"./boot/config-{version}-riscv64", b"CONFIG=y\n"),
                (f"{modules}/modules.builtin", b"kernel/drivers/virtio/virtio_pci.ko\n"),
                (f"{modules}/kernel/virtio_mmio.ko", module_of(depends="")),
                (f"{modules}/kernel/virtio_blk.ko", module_of(depends="")),
                (f"{modules}/kernel/virtio-rng.ko", module_of(depends="")),
                (f"{modules}/kernel/crc16.ko", module_of(depends="")),
                (f"{modules}/kernel/crc32c_generic.ko", module_of(depends="")),
                (f"{modules}/kernel/ext4.ko", module_of(depends="crc16", softdep="pre: crc32c-generic")),
            ]
        ),
        version=version,
    )
    real = f"linux-image-{version}-riscv64"
    archive.add("linux-image-riscv64", tar_of([]), version=version, depends=f"{real} (= {version})")


def fill(archive: Archive) -> None:
    """Publish firmware, a kernel with its modules, and busybox."""
    firmware = ("fw_dynamic.bin", "fw_dynamic.elf", "fw_jump.bin", "fw_jump.elf")
    members = tar_of((f"./{OPENSBI}{name}", name.encode()) for name in firmware)
    archive.add("opensbi", members, version="1.6-1", arch="all")
    archive.add("busybox-static", tar_of([("./usr/bin/busybox", b"\x7fELF busybox")]), version="1:1.37.0-6")
    add_kernel(archive, "6.12.1")
