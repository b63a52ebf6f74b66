"""A Debian archive read by ``apt-get`` with a root of its own: no system file is touched and no root rights are needed.

apt does what it is good at: proxies, retries, timeouts, the signature of the archive's index and the
checksum of every package. Ours is only where it looks and where it writes.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from vmcore.errors import ImageError

__all__ = ["AptRoot", "Package", "Progress", "machine_mirror"]

Progress = Callable[[str, float | None], None]
"""Called with what is being done and, where it is known, how far it is (0.0 to 1.0)."""

RETRIES = 3
"""How often apt tries again after a failed transfer."""

_INDEX_IS_FRESH = 3600.0
_KEYRINGS = ("/usr/share/keyrings/debian-archive-keyring.gpg", "/usr/share/keyrings/debian-archive-keyring.pgp")
_MIRROR = re.compile(r"(https?|file)://[^\s\[\]\"]+")

# Read after the machine's own configuration, so that its proxies hold and its hooks do not.
_CONFIG = """\
#clear APT::Update;
#clear DPkg::Pre-Invoke;
#clear DPkg::Post-Invoke;
#clear APT::Architectures;
APT::Architecture "riscv64";
APT::Architectures {{ "riscv64"; }};
APT::Sandbox::User "root";
APT::Update::Error-Mode "any";
Dir::State "{root}/state";
Dir::State::lists "{root}/state/lists";
Dir::State::status "{root}/state/status";
Dir::Cache "{root}/cache";
Dir::Log "{root}/log";
Dir::Etc::SourceList "{root}/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
Acquire::Languages "none";
Acquire::PDiffs "false";
Acquire::Retries "{retries}";
Acquire::http::Timeout "30";
Acquire::https::Timeout "30";
"""


@dataclass(frozen=True)
class Package:
    """A package as the archive's index describes it."""

    name: str
    version: str
    size: int
    depends: str


def _tool(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise ImageError(
            f"{name} was not found, and images are read from a Debian archive with it",
            hint="Run this on Debian or a relative of it, or download the image yourself and give its path.",
        )
    return path


def machine_mirror() -> str:
    """Return the Debian mirror that this machine's own apt uses.

    Raises
    ------
    ImageError
        There is no apt here, or it knows no Debian archive.
    """
    command = [_tool("apt-get"), "indextargets", "--format", "$(REPO_URI)|$(RELEASE)|$(COMPONENT)"]
    listing = subprocess.run(
        [*command, "Created-By: Packages"], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
    )
    for line in listing.stdout.splitlines():
        uri, _, rest = line.partition("|")
        release, _, component = rest.partition("|")
        # A main archive and not its updates or security corner: those have a suffix or live elsewhere.
        if component == "main" and re.fullmatch(r"[a-z]+", release) and uri.rstrip("/").endswith("/debian"):
            return uri.rstrip("/")
    raise ImageError(
        "apt on this machine has no Debian archive in its sources",
        hint="Give one with --mirror URL or VMCORE_DEBIAN_MIRROR=URL.",
    )


class AptRoot:
    """apt's folders for one mirror and one suite. One process at a time may use it (the caller holds a lock).

    Parameters
    ----------
    folder : Path
        Where all such roots are.
    mirror : str
        The archive: an ``http``, ``https`` or ``file`` address.
    suite : str
        The release.
    unsigned : bool
        Accept an archive whose index has no valid signature. Checksums are still checked against that index.
    progress : callable
        Told what is going on.

    Raises
    ------
    ImageError
        apt is missing or the mirror's address cannot be one.
    """

    def __init__(self, folder: Path, mirror: str, suite: str, *, unsigned: bool, progress: Progress) -> None:
        if not _MIRROR.fullmatch(mirror):
            raise ImageError(f"{mirror!r} is no address of a Debian archive", hint="Give one like http://HOST/debian.")
        if '"' in str(folder) or "\n" in str(folder):
            raise ImageError(f"the cache folder {str(folder)!r} has a quote in its name", hint="Set VMCORE_CACHE.")
        self._apt_get = _tool("apt-get")
        self._apt_cache = _tool("apt-cache")
        self._progress = progress
        self._mirror = mirror
        key = hashlib.sha256(f"{mirror} {suite} {unsigned}".encode()).hexdigest()[:16]
        self._root = folder / key
        for name in ("state/lists/partial", "cache/archives/partial", "log", "debs"):
            (self._root / name).mkdir(parents=True, exist_ok=True)
        (self._root / "state/status").touch()
        (self._root / "apt.conf").write_text(_CONFIG.format(root=self._root, retries=RETRIES))
        options = ["arch=riscv64", "target=Packages"]
        keyring = next((path for path in _KEYRINGS if os.path.exists(path)), None)
        if unsigned:
            options.append("trusted=yes")
        elif keyring is not None:
            options.append(f"signed-by={keyring}")
        # "copy:" treats a local archive like a remote one; "file:" would leave the packages where they are.
        source = mirror.replace("file://", "copy://", 1) if mirror.startswith("file://") else mirror
        (self._root / "sources.list").write_text(f"deb [{' '.join(options)}] {source} {suite} main\n")

    def update(self, *, force: bool = False) -> None:
        """Fetch the archive's index, unless that was done within the last hour.

        Raises
        ------
        ImageError
            The archive cannot be reached, or its index is not signed by a key of the keyring.
        """
        stamp = self._root / "updated"
        if not force and stamp.exists() and time.time() - stamp.stat().st_mtime < _INDEX_IS_FRESH:
            return
        stamp.unlink(missing_ok=True)
        self._run(["update"], "reading the archive's index")
        stamp.touch()

    def find(self, name: str, depends: str = "") -> Package:
        """Return the newest package `name`, or its dependency that matches the pattern `depends`.

        Raises
        ------
        ImageError
            The archive has no such package.
        """
        command = [self._apt_cache, "-c", str(self._root / "apt.conf"), "show", "--no-all-versions", name]
        shown = subprocess.run(
            command, capture_output=True, text=True, stdin=subprocess.DEVNULL, env=_environment(), check=False
        )
        fields = dict(line.split(": ", 1) for line in shown.stdout.splitlines() if re.match(r"[A-Z][\w-]*: ", line))
        if shown.returncode or "Version" not in fields:
            raise ImageError(f"the archive {self._mirror} has no package {name!r}", hint="Try another mirror.")
        package = Package(name, fields["Version"], int(fields.get("Size", "0")), fields.get("Depends", ""))
        if not depends:
            return package
        real = re.search(depends, package.depends)
        if real is None:
            raise ImageError(f"package {name!r} depends on {package.depends!r}: nothing there matches {depends!r}")
        return self.find(real.group())

    def download(self, package: Package) -> Path:
        """Fetch `package` and return its file.

        Raises
        ------
        ImageError
            The archive cannot be reached, or what it sent has not the size and checksum of the index.
        """
        # A folder for each package: apt chooses the file's name, and nothing else can be in there.
        folder = self._root / "debs" / package.name
        if (folder / "version").exists() and (folder / "version").read_text() != package.version:
            shutil.rmtree(folder)
        folder.mkdir(exist_ok=True)
        (folder / "version").write_text(package.version)
        wanted = f"{package.name}={package.version}"
        text = self._run(["download", wanted], f"downloading {package.name}", folder)
        files = list(folder.glob("*.deb"))
        if len(files) != 1:
            raise ImageError(f"apt fetched {wanted} but left {len(files)} packages in {folder}: {text.strip()[-300:]}")
        return files[0]

    def _run(self, arguments: Sequence[str], what: str, folder: Path | None = None) -> str:
        """Run apt-get in `folder`, pass its progress on, and return what it printed."""
        self._progress(what, None)
        read, write = os.pipe()
        command = [self._apt_get, "-c", str(self._root / "apt.conf"), "-q", "-o", f"APT::Status-Fd={write}", *arguments]
        with open(read, encoding="utf-8", errors="replace") as status, open(self._root / "output", "w+b") as output:
            try:
                process = subprocess.Popen(
                    command,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    stdin=subprocess.DEVNULL,
                    cwd=folder or self._root,
                    env=_environment(),
                    pass_fds=(write,),
                )
            finally:
                os.close(write)
            try:
                for line in status:
                    kind, _, rest = line.partition(":")
                    if kind == "dlstatus":
                        self._progress(what, float(rest.split(":")[1]) / 100)
                process.wait()
            finally:
                # Also when the user interrupts: apt must not outlive the lock that we hold.
                if process.poll() is None:
                    process.terminate()
                    process.wait()
            output.seek(0)
            text = output.read().decode(errors="replace")
        if process.returncode:
            self._fail(what, text)
        return text

    def _fail(self, what: str, text: str) -> NoReturn:
        errors = [line[2:].strip() for line in text.splitlines() if line.startswith(("E:", "W:"))]
        reason = "; ".join(dict.fromkeys(errors)) or text.strip()[-300:]
        if "NO_PUBKEY" in text or "is not signed" in text or "signature" in text.lower():
            hint = (
                "Its index is not signed by a key that this machine trusts: install debian-archive-keyring, "
                "or say --unsigned for a mirror of your own."
            )
        else:
            hint = "Check the network, or give another archive with --mirror URL or VMCORE_DEBIAN_MIRROR=URL."
        raise ImageError(f"{what} from {self._mirror} failed ({reason})", hint=hint)


def _environment() -> dict[str, str]:
    return {**os.environ, "LC_ALL": "C.UTF-8", "LANGUAGE": "C"}
