#include "uart.h"
#include "board.h"
#include "layout.h"
#include "riscv.h"

enum { DATA = 0, INTERRUPT_ENABLE = 1, FIFO_CONTROL = 2, LINE_CONTROL = 3, MODEM_CONTROL = 4, LINE_STATUS = 5 };

#define ENABLE_RECEIVED 0x01
#define ENABLE_SENT 0x02
#define FIFO_ON 0x01
#define EIGHT_BITS 0x03
#define READY_LINES 0x0b /* DTR, RTS, and OUT2, which lets interrupts out on a PC */
#define STATUS_RECEIVED 0x01
#define STATUS_SENT 0x20

static u64 reg(u32 number)
{
    return board.uart.base + KERNEL_OFFSET + ((u64)number << board.uart_shift);
}

void uart_init(void)
{
    mmio_write8(reg(LINE_CONTROL), EIGHT_BITS);
    mmio_write8(reg(FIFO_CONTROL), FIFO_ON);
    mmio_write8(reg(MODEM_CONTROL), READY_LINES);
    mmio_write8(reg(INTERRUPT_ENABLE), ENABLE_RECEIVED);
}

i32 uart_receive(void)
{
    return mmio_read8(reg(LINE_STATUS)) & STATUS_RECEIVED ? mmio_read8(reg(DATA)) : -1;
}

bool uart_can_send(void)
{
    return mmio_read8(reg(LINE_STATUS)) & STATUS_SENT;
}

void uart_send(u8 byte)
{
    mmio_write8(reg(DATA), byte);
}

void uart_want_send(bool want)
{
    mmio_write8(reg(INTERRUPT_ENABLE), want ? ENABLE_RECEIVED | ENABLE_SENT : ENABLE_RECEIVED);
}
