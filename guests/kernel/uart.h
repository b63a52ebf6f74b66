/* The registers of an ns16550A. */
#ifndef UART_H
#define UART_H

#include "../common/types.h"

#define UART_FIFO 16

void uart_init(void);
/* The next byte that arrived, or -1. */
i32 uart_receive(void);
/* Is the transmitter's FIFO empty? Then it takes UART_FIFO bytes. */
bool uart_can_send(void);
void uart_send(u8 byte);
/* Shall an empty transmitter interrupt, too? (Arrived bytes always do.) */
void uart_want_send(bool want);

#endif
