"""Pulling from an archive: what comes is right or does not come, whatever the archive, the disk or the user does."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from support.debian_archive import OPENSBI, Archive, add_kernel, tar_of

from vmcore import images
from vmcore.errors import ImageError
from vmcore.images import aptroot

pytestmark = pytest.mark.usefixtures("empty_cache")


def pull(archive: Archive, name: str, **more: bool) -> images.ImageSet:
    return images.pull(name, mirror=archive.url, unsigned=True, **more)


def packages_fetched(archive: Archive) -> list[str]:
    return [path for path in archive.requests if ".deb" in path]


def test_files_arrive_with_their_roles_and_contents(archive: Archive, empty_cache: Path) -> None:
    assert images.cached("opensbi") is None
    made = pull(archive, "opensbi")
    assert made.version == "1.6-1"
    assert made.bios.read_bytes() == b"fw_dynamic.bin"
    assert made.files["fw_jump"].read_bytes() == b"fw_jump.bin"
    assert made.bios.is_relative_to(empty_cache)
    assert images.cached("opensbi") == made
    with pytest.raises(ImageError, match="'opensbi' has no kernel. It has: .*bios"):
        _ = made.kernel


def test_a_second_pull_asks_nobody(archive: Archive) -> None:
    pull(archive, "opensbi")
    before = list(archive.requests)
    pull(archive, "opensbi")
    assert archive.requests == before


def test_refresh_takes_a_newer_package_and_only_then(archive: Archive) -> None:
    first = pull(archive, "debian-kernel")
    assert first.kernel.read_bytes() == b"kernel 6.12.1"
    pull(archive, "debian-kernel", refresh=True)
    assert len(packages_fetched(archive)) == 1
    add_kernel(archive, "6.12.2")
    assert pull(archive, "debian-kernel").version == "6.12.1"
    assert pull(archive, "debian-kernel", refresh=True).kernel.read_bytes() == b"kernel 6.12.2"


def test_busybox_is_made_again_for_a_newer_kernel(archive: Archive) -> None:
    pull(archive, "busybox")
    add_kernel(archive, "6.12.2")
    pull(archive, "debian-kernel", refresh=True)
    assert images.cached("busybox") is None
    assert pull(archive, "busybox").files["initrd-modules"].stat().st_size > 0


def test_progress_says_what_is_done(archive: Archive) -> None:
    said: list[tuple[str, float | None]] = []
    images.pull("opensbi", mirror=archive.url, unsigned=True, progress=lambda what, share: said.append((what, share)))
    assert ("downloading opensbi", None) in said
    assert all(share is None or 0 <= share <= 1 for _, share in said)
    assert any(what == "unpacking opensbi" for what, _ in said)


def test_a_folder_can_be_the_mirror(archive: Archive) -> None:
    made = images.pull("opensbi", mirror=f"file://{archive.folder}", unsigned=True)
    assert made.bios.read_bytes() == b"fw_dynamic.bin"
    assert archive.requests == []


def test_the_mirror_comes_from_the_environment(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VMCORE_DEBIAN_MIRROR", archive.url + "/")
    assert images.pull("opensbi", unsigned=True).version == "1.6-1"


def test_an_unsigned_archive_is_refused_unless_said(archive: Archive) -> None:
    with pytest.raises(ImageError, match="not signed by a key that this machine trusts"):
        images.pull("opensbi", mirror=archive.url)
    assert packages_fetched(archive) == []


def test_a_package_with_another_content_is_refused(archive: Archive) -> None:
    deb = next((archive.folder / "pool").glob("opensbi*"))
    good = deb.read_bytes()
    deb.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    with pytest.raises(ImageError, match="downloading opensbi from .* failed"):
        pull(archive, "opensbi")
    assert images.cached("opensbi") is None
    # The refused bytes must not spoil the next try.
    deb.write_bytes(good)
    assert pull(archive, "opensbi").bios.read_bytes() == b"fw_dynamic.bin"


def test_a_short_package_is_refused(archive: Archive) -> None:
    deb = next((archive.folder / "pool").glob("opensbi*"))
    deb.write_bytes(deb.read_bytes()[:100])
    with pytest.raises(ImageError, match="downloading opensbi"):
        pull(archive, "opensbi")


def test_an_index_with_another_content_is_refused(archive: Archive) -> None:
    index = archive.folder / "dists/trixie/main/binary-riscv64/Packages"
    index.write_bytes(index.read_bytes().replace(b"1.6-1", b"1.6-2"))
    with pytest.raises(ImageError, match="reading the archive's index"):
        pull(archive, "opensbi")


def test_an_interrupted_download_spoils_nothing(archive: Archive, empty_cache: Path) -> None:
    deb = next((archive.folder / "pool").glob("busybox*"))
    pull(archive, "opensbi")  # makes apt's folders
    folder = next((empty_cache / "apt").glob("*/debs")) / "busybox-static"
    folder.mkdir()
    # What apt leaves when it is killed: the first bytes under the final name.
    (folder / "version").write_text("1:1.37.0-6")
    (folder / "busybox-static_1%3a1.37.0-6_riscv64.deb").write_bytes(deb.read_bytes()[:200])
    assert pull(archive, "busybox").files["busybox"].read_bytes() == b"\x7fELF busybox"


def test_an_archive_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"VMCORE_DEBIAN_MIRROR"):
        images.pull("opensbi", mirror="http://127.0.0.1:9/debian", unsigned=True)


@pytest.mark.parametrize(
    "mirror", ["debian", "ftp://host/debian", "http://h/d trixie main\ndeb http://x", "http://h/[x]"]
)
def test_an_address_that_is_none(mirror: str) -> None:
    with pytest.raises(ImageError, match="is no address of a Debian archive"):
        images.pull("opensbi", mirror=mirror)


def test_an_archive_without_the_package(archive: Archive) -> None:
    with pytest.raises(ImageError, match="has no package 'u-boot-qemu'"):
        pull(archive, "u-boot")


def test_an_unknown_name() -> None:
    for function in (images.pull, images.cached, images.remove):
        with pytest.raises(ImageError, match="no image is called 'windows'. There are: debian-netboot"):
            function("windows")


def test_a_package_that_lacks_what_was_expected(archive: Archive) -> None:
    archive.add("opensbi", tar_of([(f"./{OPENSBI}fw_dynamic.bin", b"x")]), arch="all")
    with pytest.raises(ImageError, match="does not hold what was expected for: .*fw_jump"):
        pull(archive, "opensbi")
    assert list((images.cache_folder() / "images").iterdir()) == []


@pytest.mark.parametrize("name", ["../../evil", "/etc/evil", "./usr/../../evil"])
def test_hostile_names_are_refused(archive: Archive, empty_cache: Path, name: str) -> None:
    archive.add("opensbi", tar_of([(name, b"x")]), arch="all")
    with pytest.raises(ImageError, match="leads out of the folder"):
        pull(archive, "opensbi")
    assert not list(empty_cache.parent.rglob("evil"))


def test_links_and_devices_are_never_made(archive: Archive, empty_cache: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    modules = "./usr/lib/modules/9"
    link = tarfile.TarInfo(f"{modules}/kernel")
    link.type, link.linkname = tarfile.SYMTYPE, str(victim)
    hard = tarfile.TarInfo(f"{modules}/passwd")
    hard.type, hard.linkname = tarfile.LNKTYPE, "/etc/passwd"
    node = tarfile.TarInfo(f"{modules}/null")
    node.type, node.devmajor, node.devminor = tarfile.CHRTYPE, 1, 3
    files = [("./boot/vmlinux-9", b"k"), ("./boot/config-9", b"c"), (f"{modules}/kernel/a.ko", b"m")]
    archive.add("linux-image-9-riscv64", tar_of([link, hard, node, *files]), version="9")
    archive.add("linux-image-riscv64", tar_of([]), version="9", depends="linux-image-9-riscv64 (= 9)")
    made = pull(archive, "debian-kernel")
    assert list(victim.iterdir()) == []
    assert sorted(p.name for p in made.files["modules"].rglob("*")) == ["9", "a.ko", "kernel"]
    assert not any(p.is_symlink() for p in made.folder.rglob("*"))


def test_a_package_too_large_is_refused(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vmcore.images.debfile.MAX_UNPACKED", 20)
    with pytest.raises(ImageError, match="unpacks to more than"):
        pull(archive, "opensbi")


def test_a_damaged_cache_is_filled_again(archive: Archive) -> None:
    made = pull(archive, "opensbi")
    made.bios.write_bytes(b"short")
    assert images.cached("opensbi") is None
    assert pull(archive, "opensbi").bios.read_bytes() == b"fw_dynamic.bin"
    (made.folder / "manifest.json").write_text("{")
    assert pull(archive, "opensbi").bios.read_bytes() == b"fw_dynamic.bin"


def test_remove(archive: Archive) -> None:
    made = pull(archive, "opensbi")
    assert images.remove("opensbi")
    assert not made.folder.exists()
    assert not images.remove("opensbi")


def test_pulls_at_the_same_time_fetch_once(archive: Archive) -> None:
    program = "import sys; from vmcore import images; print(images.pull('opensbi', mirror=sys.argv[1], unsigned=True))"
    command = [sys.executable, "-c", program, archive.url]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    answers = {process.communicate()[0] for process in running}
    assert [process.returncode for process in running] == [0, 0, 0]
    assert len(answers) == 1
    assert len(packages_fetched(archive)) == 1


def test_a_cache_that_cannot_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("VMCORE_CACHE", str(tmp_path / "file"))
    with pytest.raises(ImageError, match="cannot be used .*VMCORE_CACHE"):
        images.pull("opensbi", mirror="http://127.0.0.1:9/debian")


def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VMCORE_CACHE", str(tmp_path))
    assert images.cache_folder() == tmp_path
    monkeypatch.delenv("VMCORE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/x/cache")
    assert images.cache_folder() == Path("/x/cache/vmcore")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert images.cache_folder() == Path.home() / ".cache/vmcore"


def fake_apt(folder: Path, monkeypatch: pytest.MonkeyPatch, output: str) -> None:
    folder.mkdir()
    tool = folder / "apt-get"
    tool.write_text(f"#!/bin/sh\ncat <<'END'\n{output}\nEND\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def test_the_mirror_of_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = (
        "http://h/debian-security/|bookworm-security|main\nhttp://h/debian/|bookworm-updates|main\n"
        "http://h/debian/|bookworm|contrib\nhttp://h/debian/|bookworm|main"
    )
    fake_apt(tmp_path / "bin", monkeypatch, output)
    assert aptroot.machine_mirror() == "http://h/debian"


def test_a_machine_without_a_debian_mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_apt(tmp_path / "bin", monkeypatch, "http://h/ubuntu/|noble|main")
    with pytest.raises(ImageError, match="--mirror URL or VMCORE_DEBIAN_MIRROR=URL"):
        images.pull("opensbi")


def test_a_machine_without_apt(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ImageError, match="apt-get was not found"):
        images.pull("opensbi")
