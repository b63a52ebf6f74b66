"""Files out of a Debian package, without installing it and without trusting the names in it."""

from __future__ import annotations

import re
import shutil
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import IO

from vmcore.errors import ImageError

__all__ = ["extract", "extract_tar"]

# More than any package of the catalogue holds; a package that unpacks to more is not what it says it is.
MAX_UNPACKED = 2 << 30


def _member_path(member: tarfile.TarInfo, package: str) -> str:
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts or "\0" in member.name:
        raise ImageError(f"{package} holds the path {member.name!r}, which leads out of the folder it is unpacked to")
    return str(path)


def extract_tar(
    stream: IO[bytes], into: Path, files: Mapping[str, str], trees: Mapping[str, str], package: str
) -> dict[str, Path]:
    """Take the wanted regular files out of a tar stream.

    Links and devices are left out, names that lead out of `into` are refused, and a file lands at a name of our own
    choosing (its base name, or its place below its tree).

    Parameters
    ----------
    stream : binary stream
        A tar archive, not compressed.
    into : Path
        An empty folder.
    files : mapping of str to str
        Role to a regular expression for the whole path.
    trees : mapping of str to str
        Role to a folder that is taken whole.
    package : str
        The package's name, for messages.

    Returns
    -------
    dict of str to Path
        Where each role is.

    Raises
    ------
    ImageError
        The archive is damaged or hostile, or a role was not found.
    """
    patterns = {role: re.compile(pattern) for role, pattern in files.items()}
    places: dict[str, Path] = {}
    room = MAX_UNPACKED
    try:
        with tarfile.open(fileobj=stream, mode="r|") as archive:
            for member in archive:
                name = _member_path(member, package)
                place = _place_of(name, patterns, trees, into, places)
                if place is None or not member.isreg():
                    continue
                room -= member.size
                if room < 0:
                    raise ImageError(f"{package} unpacks to more than {MAX_UNPACKED >> 20} MiB; it is refused")
                source = archive.extractfile(member)
                assert source is not None  # A regular file has content.
                place.parent.mkdir(parents=True, exist_ok=True)
                with source, open(place, "xb") as target:
                    shutil.copyfileobj(source, target, 1 << 20)
    except (tarfile.TarError, FileExistsError, EOFError) as error:
        raise ImageError(f"{package} is damaged ({error})", hint="Pull it again.") from error
    missing = sorted(role for role in (*files, *trees) if role not in places or not places[role].exists())
    if missing:
        raise ImageError(f"{package} does not hold what was expected for: {', '.join(missing)}")
    return places


def _place_of(
    name: str, patterns: Mapping[str, re.Pattern[str]], trees: Mapping[str, str], into: Path, places: dict[str, Path]
) -> Path | None:
    """Return where the member `name` goes, or None when nobody asked for it."""
    for role, folder in trees.items():
        if name.startswith(folder + "/"):
            places[role] = into / role
            return into / role / name[len(folder) + 1 :]
    for role, pattern in patterns.items():
        if pattern.fullmatch(name):
            # Two roles may have files of one name (u-boot.bin), so the role is the folder.
            places[role] = into / role / PurePosixPath(name).name
            return places[role]
    return None


def extract(package: Path, into: Path, files: Mapping[str, str], trees: Mapping[str, str]) -> dict[str, Path]:
    """Take files out of a ``.deb``; see :func:`extract_tar`."""
    tool = shutil.which("dpkg-deb")
    if tool is None:
        raise ImageError("dpkg-deb was not found", hint="Install the package dpkg, or unpack the image yourself.")
    with subprocess.Popen(
        [tool, "--fsys-tarfile", str(package)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
    ) as unpacker:
        assert unpacker.stdout is not None
        assert unpacker.stderr is not None
        try:
            places = extract_tar(unpacker.stdout, into, files, trees, package.name)
            # The padding behind the archive's end: unread, it would make the unpacker fail on a closed pipe.
            while unpacker.stdout.read(1 << 20):
                continue
        except ImageError:
            unpacker.kill()
            raise
        complaint = unpacker.stderr.read().decode(errors="replace").strip()
    if unpacker.returncode:
        raise ImageError(f"{package.name} is damaged ({complaint})", hint="Pull it again.")
    return places
