# 16550A UART. Under the lock of bus.pxd.

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from vmcore._fast.defs cimport IrqWire
from vmcore._fast.dev.bus cimport CompiledDevice

cdef enum:
    UART_FIFO = 16
    UART_QUEUE = 4096         # host characters waiting behind the FIFO
    UART_OUT = 65536          # transmitted bytes that the host has not taken

cdef struct UartState:
    # For the run loop: bytes the host has not taken, and whether the guest waits for it to take them.
    uint32_t tx_pending
    uint32_t tx_full
    uint64_t overruns         # bytes the guest wrote although THRE said no
    uint8_t ier
    uint8_t fcr
    uint8_t lcr
    uint8_t mcr
    uint8_t msr_delta         # low four bits of MSR
    uint8_t scr
    uint8_t dll
    uint8_t dlm
    uint8_t lsr_error         # OE PE FE BI, latched until LSR is read
    uint8_t thre_pending      # the THRE interrupt waits to be seen
    uint8_t irq_level
    # Received characters: low eight bits the byte, BREAK_CHAR a break. The FIFO has one entry when it is off.
    uint16_t fifo[UART_FIFO]
    uint32_t fifo_head
    uint32_t fifo_count
    uint16_t queue[UART_QUEUE]
    uint32_t queue_head
    uint32_t queue_count
    uint8_t out[UART_OUT]
    uint32_t out_head
    IrqWire *irq

cdef class Uart(CompiledDevice):
    cdef UartState st
