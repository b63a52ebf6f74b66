"""The cache of pulled images: one folder an image, complete or not there, safe for several processes."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from vmcore.config.folders import cache_folder
from vmcore.errors import ImageError
from vmcore.images.aptroot import AptRoot, Progress, machine_mirror
from vmcore.images.catalogue import CATALOGUE, SUITE, Image
from vmcore.images.debfile import extract
from vmcore.images.initramfs import build_initramfs

__all__ = ["ImageSet", "cache_folder", "cached", "pull", "remove"]

# Goes up when what is made of the packages changes; older sets are then made again.
_FORMAT = 1


@dataclass(frozen=True)
class ImageSet:
    """The files of one image in the cache.

    Attributes
    ----------
    name : str
        Its name in the catalogue.
    version : str
        The version of the package it was made from.
    folder : Path
        Where it is.
    files : mapping of str to Path
        Role to file. Besides those with a property of their own: ``modules`` (a folder) and ``config`` of a kernel,
        ``initrd-modules`` of busybox (loads what a virtio disk with ext4 needs), ``fw_jump`` of OpenSBI.
    """

    name: str
    version: str
    folder: Path
    files: Mapping[str, Path]

    @property
    def kernel(self) -> Path:
        """Path: the kernel, or the payload that a firmware starts."""
        return self._role("kernel")

    @property
    def initrd(self) -> Path:
        """Path: the initial RAM disk."""
        return self._role("initrd")

    @property
    def bios(self) -> Path:
        """Path: the firmware that starts in M-mode."""
        return self._role("bios")

    @property
    def size(self) -> int:
        """int: bytes on disk."""
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())

    def _role(self, role: str) -> Path:
        try:
            return self.files[role]
        except KeyError:
            raise ImageError(f"image {self.name!r} has no {role}", hint=f"It has: {', '.join(self.files)}.") from None


def _row(name: str) -> Image:
    try:
        return CATALOGUE[name]
    except KeyError:
        raise ImageError(f"no image is called {name!r}", hint=f"There are: {', '.join(CATALOGUE)}.") from None


def cached(name: str) -> ImageSet | None:
    """Return the image if it is in the cache and whole, else None. Nothing is fetched.

    Raises
    ------
    ImageError
        The catalogue has no such image.
    """
    row = _row(name)
    folder = cache_folder() / "images" / name
    try:
        manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
        if manifest["format"] != _FORMAT:
            return None
        entries = dict(manifest["files"])
        files = {str(role): folder / entry["path"] for role, entry in entries.items()}
        if any(entry["size"] and files[role].stat().st_size != entry["size"] for role, entry in entries.items()):
            return None
        made_from = dict(manifest["built_from"])
        version = str(manifest["version"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    for other in row.built_from:
        part = cached(other)
        if part is None or part.version != made_from.get(other):
            return None
    return ImageSet(name, version, folder, files)


@contextlib.contextmanager
def _locked(folder: Path, progress: Progress) -> Iterator[None]:
    """Hold the cache's lock: pulls take turns, so that two processes never fetch the same thing twice."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = open(folder / "lock", "a+b")  # noqa: SIM115 - closed by the with statement below
    except OSError as error:
        raise ImageError(
            f"the cache folder {folder} cannot be used ({error.strerror})", hint="Give another one with VMCORE_CACHE."
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("waiting for another vmcore that is fetching images", None)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def pull(
    name: str,
    *,
    mirror: str | None = None,
    refresh: bool = False,
    unsigned: bool = False,
    progress: Progress | None = None,
) -> ImageSet:
    """Return an image, fetched first if it is not in the cache.

    Parameters
    ----------
    name : str
        A name of :data:`vmcore.images.CATALOGUE`.
    mirror : str, optional
        The Debian archive to use; otherwise ``VMCORE_DEBIAN_MIRROR``, otherwise the one of the machine's own apt.
    refresh : bool
        Look for a newer version although one is in the cache.
    unsigned : bool
        Accept a mirror of your own whose index is not signed.
    progress : callable, optional
        Called with (what is being done, how far from 0.0 to 1.0 or None).

    Returns
    -------
    ImageSet

    Raises
    ------
    ImageError
        The name is unknown, no archive is reachable, or what came is not what the archive's index promises.
    """
    row = _row(name)
    tell: Progress = progress or (lambda what, share: None)
    present = None if refresh else cached(name)
    if present is not None:
        return present
    cache = cache_folder()
    with _locked(cache, tell):
        try:
            return _make(row, cache, mirror, refresh, unsigned, tell)
        except OSError as error:
            where = f" ({error.filename})" if error.filename else ""
            raise ImageError(f"image {name!r} could not be stored{where}: {error.strerror or error}") from error


def _make(row: Image, cache: Path, mirror: str | None, refresh: bool, unsigned: bool, tell: Progress) -> ImageSet:
    """Fetch and unpack with the lock held; what another process made meanwhile is taken."""
    present = None if refresh else cached(row.name)
    if present is not None:
        return present
    parts = [_make(CATALOGUE[other], cache, mirror, refresh, unsigned, tell) for other in row.built_from]
    mirror = mirror or os.environ.get("VMCORE_DEBIAN_MIRROR") or machine_mirror()
    apt = AptRoot(cache / "apt", mirror.rstrip("/"), SUITE, unsigned=unsigned, progress=tell)
    apt.update(force=refresh)
    package = apt.find(row.package, row.depends)
    old = cached(row.name)
    if old is not None and old.version == package.version:
        return old
    file = apt.download(package)
    (cache / "images").mkdir(exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{row.name}-", dir=cache / "images"))
    try:
        tell(f"unpacking {package.name}", None)
        places = extract(file, work, row.files, row.trees)
        if row.name == "busybox":
            modules = parts[0].files["modules"]
            places["initrd"] = build_initramfs(places["busybox"], work / "initramfs.cpio")
            places["initrd-modules"] = build_initramfs(
                places["busybox"], work / "initramfs-modules.cpio", modules=modules
            )
        manifest = {
            "format": _FORMAT,
            "version": package.version,
            "built_from": {part.name: part.version for part in parts},
            "files": {
                role: {"path": str(path.relative_to(work)), "size": path.stat().st_size if path.is_file() else 0}
                for role, path in places.items()
            },
        }
        # Written last: a set without its manifest is none.
        (work / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n", "utf-8")
        work.chmod(0o755)
        _publish(work, cache / "images" / row.name)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    file.unlink()
    made = cached(row.name)
    if made is None:
        raise ImageError(f"image {row.name!r} vanished from {cache} while it was made", hint="Pull it again.")
    return made


def _publish(work: Path, folder: Path) -> None:
    """Move a finished set into its place; an older one goes out of the way first."""
    if folder.exists():
        old = Path(tempfile.mkdtemp(prefix=".old-", dir=folder.parent))
        folder.rename(old / folder.name)
        shutil.rmtree(old, ignore_errors=True)
    work.rename(folder)


def remove(name: str) -> bool:
    """Remove an image from the cache; return whether it was there.

    Raises
    ------
    ImageError
        The catalogue has no such image.
    """
    folder = cache_folder() / "images" / _row(name).name
    with _locked(cache_folder(), lambda what, share: None):
        there = folder.exists()
        shutil.rmtree(folder, ignore_errors=True)
    return there
