"""Debian's installer, unmodified: its kernel and its userland come up to the first dialog, and the dialog answers."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from vmcore import Machine
from vmcore.images import ImageSet

pytestmark = [pytest.mark.guest, pytest.mark.slow, pytest.mark.soak]

# Virtual seconds; the way to the dialog takes eight.
BOOT = 120
# The text frontend asks in lines, where the others draw a screen.
APPEND = "console=ttyS0 TERM=vt102 DEBIAN_FRONTEND=text"


@pytest.mark.parametrize("firmware", ["builtin", "opensbi"])
def test_the_installer_asks_for_a_language(guest_image: Callable[[str], ImageSet], firmware: str) -> None:
    netboot = guest_image("debian-netboot")
    bios = "builtin" if firmware == "builtin" else guest_image("opensbi").bios
    with Machine(kernel=netboot.kernel, initrd=netboot.initrd, append=APPEND, ram="512M", bios=bios) as vm:
        boot = vm.console.expect("Select a language", timeout=BOOT).before
        assert "Run /init as init process" in boot
        for trouble in ("BUG:", "Oops", "Call Trace", "WARNING:", "rcu_sched"):
            assert trouble not in boot
        question = vm.console.expect("Prompt: '?' for help, default=2> ", timeout=BOOT).before
        assert "Choose the language to be used for the installation process." in question
        assert "2: English" in question
        # English it is, and the installer goes on to its next question.
        vm.console.send("2")
        vm.console.expect("Select your location", timeout=BOOT)


def test_the_installer_draws_its_first_screen(guest_image: Callable[[str], ImageSet]) -> None:
    netboot = guest_image("debian-netboot")
    with Machine(kernel=netboot.kernel, initrd=netboot.initrd, append="console=ttyS0", ram="512M") as vm:
        vm.console.expect("Select a language", timeout=BOOT)
        vm.console.expect("English", timeout=BOOT)
        vm.console.expect("<Go Back>", timeout=BOOT)
