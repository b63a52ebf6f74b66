# One bit for each extension that changes what the compiled core does. Hart.isa is a mask of these.

from libc.stdint cimport uint64_t

cdef enum IsaBit:
    BIT_M = 0
    BIT_A = 1
    BIT_F = 2
    BIT_D = 3
    BIT_C = 4
    BIT_ZICSR = 5
    BIT_ZIFENCEI = 6
    BIT_ZICNTR = 7
    BIT_ZIHPM = 8
    BIT_ZBA = 9
    BIT_ZBB = 10
    BIT_ZBC = 11
    BIT_ZBS = 12
    BIT_ZBKB = 13
    BIT_ZBKC = 14
    BIT_ZBKX = 15
    BIT_ZKND = 16
    BIT_ZKNE = 17
    BIT_ZKNH = 18
    BIT_ZKSED = 19
    BIT_ZKSH = 20
    BIT_ZKR = 21
    BIT_ZKT = 22
    BIT_ZICOND = 23
    BIT_ZCB = 24
    BIT_ZFHMIN = 25
    BIT_ZFH = 26
    BIT_ZFA = 27
    BIT_ZICBOM = 28
    BIT_ZICBOZ = 29
    BIT_ZICBOP = 30
    BIT_ZIHINTPAUSE = 31
    BIT_ZIHINTNTL = 32
    BIT_ZAWRS = 33
    BIT_ZACAS = 34
    BIT_ZIMOP = 35
    BIT_ZCMOP = 36
    BIT_S = 37
    BIT_U = 38
    BIT_SVADE = 39
    BIT_SVADU = 40
    BIT_SVNAPOT = 41
    BIT_SVPBMT = 42
    BIT_SVINVAL = 43
    BIT_SSTC = 44
    BIT_SMSTATEEN = 45
    BIT_SV39 = 46
    BIT_SV48 = 47
    BIT_SV57 = 48
    BIT_ZABHA = 49

cdef inline bint has(uint64_t isa, IsaBit bit) noexcept nogil:
    return (isa >> <int>bit) & 1
