"""Nothing of a machine is left once it is closed and gone."""

import gc

import vmcore
from vmcore._fast.memory.alloc import live


def test_compiled_memory_of_a_machine_is_given_back():
    gc.collect()
    before = live()
    vm = vmcore.Machine("virt", ram="16M", harts=2)
    vm.mem[0x8000_0000:0x8000_0008] = bytes.fromhex("130515006ff0dfff")
    vm.pc = 0x8000_0000
    vm.hook.code(0x8000_0004)(lambda hart: None)
    vm.run(max_insns=1000)
    vm.console.post("x")
    assert live().blocks > before.blocks
    vm.close()
    del vm
    gc.collect()
    assert live() == before
