#include "console.h"
#include "board.h"
#include "hart.h"
#include "plic.h"
#include "sbi.h"
#include "sched.h"
#include "uart.h"

#define OUT_SIZE 4096
#define IN_SIZE 1024
#define CTRL_C 3

struct ring {
    u8 *bytes;
    u32 size, first, count;
};

static u8 out_bytes[OUT_SIZE], in_bytes[IN_SIZE];
static struct ring out = {out_bytes, OUT_SIZE, 0, 0}, in = {in_bytes, IN_SIZE, 0, 0};
static struct spinlock console_lock;
static struct task_queue readers, writers;
static u32 foreground;
static bool started;

static void ring_put(struct ring *ring, u8 byte)
{
    ring->bytes[(ring->first + ring->count++) % ring->size] = byte;
}

static u8 ring_take(struct ring *ring)
{
    u8 byte = ring->bytes[ring->first];

    ring->first = (ring->first + 1) % ring->size;
    ring->count--;
    return byte;
}

/* Sends what the transmitter takes now. */
static void send_some(void)
{
    if (out.count == 0 || !uart_can_send())
        return;
    for (u32 i = 0; i < UART_FIFO && out.count; i++)
        uart_send(ring_take(&out));
}

static void send_all(void)
{
    while (out.count) {
        if (board.uart.base)
            send_some();
        else
            sbi_put_char((char)ring_take(&out));
    }
}

/* Two bytes at most: the terminal wants a carriage return before a new line. */
static void put_byte(u8 byte)
{
    if (out.size - out.count < 2)
        send_all();
    if (byte == '\n')
        ring_put(&out, '\r');
    ring_put(&out, byte);
}

/* Output is in the ring: lets it flow. */
static void kick(void)
{
    if (!started) {
        send_all();
        return;
    }
    send_some();
    uart_want_send(out.count != 0);
}

static void console_interrupt(void *unused)
{
    u32 victim = 0;
    i32 byte;

    (void)unused;
    lock(&console_lock);
    while ((byte = uart_receive()) >= 0) {
        if (byte == CTRL_C && foreground)
            victim = foreground;
        else if (in.count < in.size)
            ring_put(&in, (u8)byte);
    }
    if (in.count)
        wake_all(&readers);
    kick();
    if (out.count < out.size / 2)
        wake_all(&writers);
    unlock(&console_lock);
    if (victim)
        task_kill(victim);
}

void console_init(void)
{
    if (board.uart.base)
        uart_init();
}

void console_start(void)
{
    if (!board.uart.base || !board.plic.base)
        return;
    plic_connect(board.uart.irq, console_interrupt, NULL);
    lock(&console_lock);
    started = true;
    unlock(&console_lock);
}

void console_put(const char *text, size_t length)
{
    lock(&console_lock);
    while (length--)
        put_byte((u8)*text++);
    kick();
    unlock(&console_lock);
}

void console_put_now(const char *text, size_t length)
{
    while (length--)
        put_byte((u8)*text++);
    send_all();
}

void console_flush(void)
{
    lock(&console_lock);
    send_all();
    unlock(&console_lock);
}

i64 console_write(struct space *space, u64 from, u64 length)
{
    u8 part[256];

    for (u64 done = 0; done < length;) {
        u64 n = MIN(length - done, sizeof(part));

        if (!copy_from_user(space, part, from + done, n))
            return E_FAULT;
        lock(&console_lock);
        /* Room for all of it (each byte may become two), so that lines of different tasks stay whole. */
        while (started && out.size - out.count < 2 * n) {
            block(&writers, &console_lock);
            if (current_task()->killed)
                return E_KILLED;
            lock(&console_lock);
        }
        for (u64 i = 0; i < n; i++)
            put_byte(part[i]);
        kick();
        unlock(&console_lock);
        done += n;
    }
    return (i64)length;
}

i64 console_read(struct space *space, u64 to, u64 length)
{
    u8 part[64];
    u64 n = 0;

    lock(&console_lock);
    while (in.count == 0) {
        block(&readers, &console_lock);
        if (current_task()->killed)
            return E_KILLED;
        lock(&console_lock);
    }
    while (n < length && n < sizeof(part) && in.count)
        part[n++] = ring_take(&in);
    unlock(&console_lock);
    return copy_to_user(space, to, part, n) ? (i64)n : E_FAULT;
}

void console_foreground(u32 pid)
{
    lock(&console_lock);
    foreground = pid;
    unlock(&console_lock);
}

void console_forget(u32 pid)
{
    lock(&console_lock);
    if (foreground == pid)
        foreground = 0;
    unlock(&console_lock);
}
