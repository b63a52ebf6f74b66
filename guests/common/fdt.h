/*
 * A reader of flattened device trees (Devicetree Specification 0.4, chapter 5).
 *
 * The blob is a stream of tokens: "node begins", "property", "node ends". fdt_next() hands them out one by one; the
 * reader never allocates, never recurses, and checks every offset, because the blob comes from outside.
 */
#ifndef FDT_H
#define FDT_H

#include "types.h"

enum fdt_kind { FDT_NODE, FDT_PROPERTY, FDT_NODE_END, FDT_DONE };

struct fdt {
    const u8 *blob;
    u32 size;                    /* whole blob */
    u32 structure, strings;      /* offsets of the two blocks */
    u32 structure_end, strings_end;
};

struct fdt_item {
    enum fdt_kind kind;
    const char *name; /* of the node (with its @address) or of the property */
    const u8 *data;   /* a property's value, big endian */
    u32 length;
};

u32 fdt_u32(const u8 *at);
/* A number of `cells` 32-bit cells, the low 64 bits of it. */
u64 fdt_cells(const u8 *at, u32 cells);
/* Checks the header. `limit` is how many bytes may be read. */
bool fdt_open(struct fdt *fdt, const void *blob, u64 limit);
/* Reads the item at *at and moves *at behind it. Start with fdt->structure. A damaged tree yields FDT_DONE. */
void fdt_next(const struct fdt *fdt, u32 *at, struct fdt_item *item);
/* Is `text` one of the strings, each ended by a 0, of this value? */
bool fdt_has_string(const u8 *data, u32 length, const char *text);

#endif
