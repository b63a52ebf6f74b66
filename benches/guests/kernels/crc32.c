/* CRC-32 (IEEE 802.3) by a table of 256 words: a chain of dependent loads. */
#include "board.h"

static uint32_t table[256];

int kernel(void)
{
    uint32_t crc = ~0u;

    for (uint32_t i = 0; i < 256; i++) {
        uint32_t v = i;
        for (int bit = 0; bit < 8; bit++)
            v = v & 1 ? v >> 1 ^ 0xEDB88320u : v >> 1;
        table[i] = v;
    }
    /* The check value of the digits 1 to 9; then thirty million bytes more. */
    for (uint8_t digit = '1'; digit <= '9'; digit++)
        crc = table[(crc ^ digit) & 255] ^ crc >> 8;
    if (~crc != 0xCBF43926u)
        return 1;
    for (uint64_t i = 0; i < 30000000; i++)
        crc = table[(crc ^ i) & 255] ^ crc >> 8;
    /* Any value but the one that a register would have to hold by chance will do: the work cannot be left out. */
    return crc == (uint32_t)hidden(0);
}
