/* cpu.c: chooses the instruction set at run time. Leaves out how each is used: see the isa_*.c files. */
#include "isa.h"

#include <string.h>

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define HAVE_X86 1
#elif defined(__aarch64__) && (defined(__GNUC__) || defined(__clang__))
#define HAVE_NEON 1
#endif

static const isa_table *candidate(int i)
{
#ifdef HAVE_X86
    static const isa_table *const all[] = {&isa_avx512, &isa_avx2, &isa_generic};
    const int runs[] = {
        __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("fma"),
        __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"),
        1,
    };
#elif defined(HAVE_NEON)
    static const isa_table *const all[] = {&isa_neon, &isa_generic};
    const int runs[] = {1, 1};
#else
    static const isa_table *const all[] = {&isa_generic};
    const int runs[] = {1};
#endif
    for (size_t j = 0; j < sizeof all / sizeof *all; j++)
        if (runs[j] && i-- == 0)
            return all[j];
    return NULL;
}

static const isa_table *_Atomic chosen; /* one thread may choose while another multiplies */

const isa_table *isa_current(void)
{
    if (!chosen)
        chosen = candidate(0);
    return chosen;
}

int isa_choose(const char *name)
{
    const isa_table *table;
    for (int i = 0; (table = candidate(i)); i++)
        if (strcmp(table->name, name) == 0) {
            chosen = table;
            return 0;
        }
    return -1;
}

const char *isa_available(int i)
{
    const isa_table *table = candidate(i);
    return table ? table->name : NULL;
}
