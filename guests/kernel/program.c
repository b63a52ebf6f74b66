#include "program.h"
#include "../common/string.h"
#include "page.h"

/* Of an ELF file (System V ABI, chapter 4), the parts that matter to load it. */
struct elf_header {
    u8 ident[16];
    u16 type, machine;
    u32 version;
    u64 entry, segments_at, sections_at;
    u32 flags;
    u16 header_size, segment_size, segment_count, section_size, section_count, names;
};

struct elf_segment {
    u32 type, flags;
    u64 offset, address, physical, file_size, memory_size, align;
};

enum { SEGMENT_LOAD = 1, SEGMENT_EXECUTE = 1, SEGMENT_WRITE = 2, SEGMENT_READ = 4 };
enum { A0 = 10, SP = 2 };

/* Written by build.py: one entry for each program, the last one without a name. */
struct program {
    const char *name;
    const u8 *file, *file_end;
};
extern const struct program programs[];

static const struct program *find(const char *command)
{
    size_t length = 0;

    while (command[length] && command[length] != ' ')
        length++;
    for (const struct program *p = programs; p->name; p++) {
        if (strlen(p->name) == length && strncmp(p->name, command, length) == 0)
            return p;
    }
    return NULL;
}

static bool load_segment(struct space *space, const u8 *file, const struct elf_segment *segment)
{
    u32 permissions = PTE_READ;
    u64 page_address = ALIGN_DOWN(segment->address, PAGE_SIZE);

    if (segment->flags & SEGMENT_WRITE)
        permissions |= PTE_WRITE;
    if (segment->flags & SEGMENT_EXECUTE)
        permissions |= PTE_EXECUTE;
    for (; page_address < segment->address + segment->memory_size; page_address += PAGE_SIZE) {
        u64 page = space_map_page(space, page_address, permissions);
        u64 from = page_address > segment->address ? page_address : segment->address;
        u64 end = MIN(page_address + PAGE_SIZE, segment->address + segment->file_size);

        if (!page)
            return false;
        if (from < end)
            memcpy((u8 *)phys_to_virt(page) + from % PAGE_SIZE, file + segment->offset + (from - segment->address),
                   end - from);
    }
    space->heap_start = ALIGN_UP(segment->address + segment->memory_size, PAGE_SIZE);
    return true;
}

i64 program_load(struct task *task, const char *command)
{
    const struct program *program = find(command);
    const struct elf_header *header;
    size_t length = strlen(command) + 1;
    u64 stack_page, top;

    if (!program)
        return E_NOENT;
    header = (const struct elf_header *)program->file;
    for (u32 i = 0; i < header->segment_count; i++) {
        const struct elf_segment *segment =
            (const struct elf_segment *)(program->file + header->segments_at + i * header->segment_size);

        if (segment->type == SEGMENT_LOAD && !load_segment(&task->space, program->file, segment))
            return E_NOMEM;
    }
    task->space.heap_end = task->space.heap_start;
    /* The code was written as data: later fetches, on this hart or another, shall see it. */
    __asm__ volatile("fence.i" ::: "memory");

    stack_page = space_map_page(&task->space, USER_STACK_TOP - PAGE_SIZE, PTE_READ | PTE_WRITE);
    if (!stack_page || length > PAGE_SIZE / 2)
        return stack_page ? E_INVAL : E_NOMEM;
    memcpy((u8 *)phys_to_virt(stack_page) + PAGE_SIZE - length, command, length);
    top = USER_STACK_TOP - length;

    strcopy(task->name, program->name, sizeof(task->name));
    task->frame->x[0] = header->entry;
    task->frame->x[SP] = ALIGN_DOWN(top, 16);
    task->frame->x[A0] = top;
    return 0;
}
