/* dtb: the device tree that the kernel was given, as source. */
#include "sh.h"
#include "../../../common/fdt.h"

#define MOST (1u << 20)

/* Only zero-ended printable strings, none of them empty? */
static bool is_text(const u8 *data, u32 length)
{
    if (length < 2 || data[length - 1] != 0 || data[0] == 0)
        return false;
    for (u32 i = 0; i < length; i++) {
        bool between = data[i] == 0 && (i == length - 1 || data[i + 1] != 0);

        if (!between && (data[i] < ' ' || data[i] > '~'))
            return false;
    }
    return true;
}

static void show_value(const struct fdt_item *item)
{
    if (item->length == 0)
        return;
    if (is_text(item->data, item->length)) {
        for (u32 at = 0; at < item->length; at += (u32)strlen((const char *)item->data + at) + 1)
            printf("%s\"%s\"", at ? ", " : " = ", (const char *)item->data + at);
    } else if (item->length % 4 == 0) {
        for (u32 at = 0; at < item->length; at += 4)
            printf("%s0x%x", at ? " " : " = <", fdt_u32(item->data + at));
        print(">");
    } else {
        for (u32 at = 0; at < item->length; at++)
            printf("%s%02x", at ? " " : " = [", item->data[at]);
        print("]");
    }
}

void cmd_dtb(int argc, char **argv)
{
    const char *wanted = argc > 1 ? argv[1] : "";
    static u8 *blob;
    struct fdt fdt;
    struct fdt_item item;
    u32 at, depth = 0, shown_from = 0; /* depth of the node that matched; 0 for none */

    if (!blob) {
        blob = grow(MOST);
        call(SYS_DTB, 0ul, blob, (u64)MOST);
    }
    if (!fdt_open(&fdt, blob, MOST)) {
        print("dtb: damaged\n");
        return;
    }
    at = fdt.structure;
    for (;;) {
        int indent;

        fdt_next(&fdt, &at, &item);
        if (item.kind == FDT_DONE)
            return;
        if (item.kind == FDT_NODE) {
            depth++;
            if (!shown_from && strncmp(item.name, wanted, strlen(wanted)) == 0)
                shown_from = depth;
        }
        indent = (int)(depth - shown_from) * 2;
        if (shown_from && item.kind == FDT_NODE) {
            printf("%*s%s {\n", indent, "", *item.name ? item.name : "/");
        } else if (shown_from && item.kind == FDT_PROPERTY) {
            printf("%*s%s", indent + 2, "", item.name);
            show_value(&item);
            print(";\n");
        } else if (shown_from && item.kind == FDT_NODE_END) {
            printf("%*s};\n", indent, "");
        }
        if (item.kind == FDT_NODE_END) {
            if (depth == shown_from)
                shown_from = 0;
            depth--;
        }
    }
}
