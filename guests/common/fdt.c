#include "fdt.h"
#include "string.h"

#define FDT_MAGIC 0xd00dfeedu
#define HEADER_SIZE 40

enum { TOKEN_BEGIN = 1, TOKEN_END = 2, TOKEN_PROPERTY = 3, TOKEN_NOP = 4 };

u32 fdt_u32(const u8 *at)
{
    return (u32)at[0] << 24 | (u32)at[1] << 16 | (u32)at[2] << 8 | at[3];
}

u64 fdt_cells(const u8 *at, u32 cells)
{
    u64 value = 0;

    for (; cells; cells--, at += 4)
        value = value << 32 | fdt_u32(at);
    return value;
}

bool fdt_open(struct fdt *fdt, const void *blob, u64 limit)
{
    const u8 *b = blob;
    u64 structure_end, strings_end;

    if (limit < HEADER_SIZE || fdt_u32(b) != FDT_MAGIC)
        return false;
    fdt->blob = b;
    fdt->size = fdt_u32(b + 4);
    fdt->structure = fdt_u32(b + 8);
    fdt->strings = fdt_u32(b + 12);
    strings_end = (u64)fdt->strings + fdt_u32(b + 32);
    structure_end = (u64)fdt->structure + fdt_u32(b + 36);
    if (fdt->size > limit || structure_end > fdt->size || strings_end > fdt->size)
        return false;
    fdt->structure_end = (u32)structure_end;
    fdt->strings_end = (u32)strings_end;
    return true;
}

/* A string inside [at, end): its length, or -1 when its 0 is missing. */
static i64 string_length(const struct fdt *fdt, u32 at, u32 end)
{
    size_t length;

    if (at >= end)
        return -1;
    length = strnlen((const char *)fdt->blob + at, end - at);
    return at + length < end ? (i64)length : -1;
}

void fdt_next(const struct fdt *fdt, u32 *at, struct fdt_item *item)
{
    const u32 end = fdt->structure_end;

    item->kind = FDT_DONE;
    item->name = "";
    item->data = NULL;
    item->length = 0;
    while (*at + 4 <= end) {
        u32 token = fdt_u32(fdt->blob + *at);
        u32 body = *at + 4, name;
        i64 length;

        switch (token) {
        case TOKEN_NOP:
            *at = body;
            continue;
        case TOKEN_BEGIN:
            length = string_length(fdt, body, end);
            if (length < 0)
                return;
            item->kind = FDT_NODE;
            item->name = (const char *)fdt->blob + body;
            *at = (u32)ALIGN_UP(body + (u64)length + 1, 4);
            return;
        case TOKEN_PROPERTY:
            if (end - body < 8)
                return;
            item->length = fdt_u32(fdt->blob + body);
            name = fdt->strings + fdt_u32(fdt->blob + body + 4);
            if (item->length > end - body - 8 || string_length(fdt, name, fdt->strings_end) < 0)
                return;
            item->kind = FDT_PROPERTY;
            item->name = (const char *)fdt->blob + name;
            item->data = fdt->blob + body + 8;
            *at = (u32)ALIGN_UP((u64)body + 8 + item->length, 4);
            return;
        case TOKEN_END:
            item->kind = FDT_NODE_END;
            *at = body;
            return;
        default: /* the end token, or damage */
            return;
        }
    }
}

bool fdt_has_string(const u8 *data, u32 length, const char *text)
{
    size_t wanted = strlen(text) + 1;

    while (length) {
        size_t n = strnlen((const char *)data, length);

        if (n == length)
            return false;
        if (n + 1 == wanted && memcmp(data, text, wanted) == 0)
            return true;
        data += n + 1;
        length -= (u32)n + 1;
    }
    return false;
}
