/* matmul_loops.h: the template of the five loops around the microkernel; matmul.c includes it once per precision.
 *
 * The naive triple loop, cut into blocks so that each level of cache is read many times for every time it is filled.
 * Packing copies a block into the order in which the microkernel reads it, whatever strides the caller's matrix has. What is
 * in that order already, or is read too seldom to repay the copy, is left where it is. */
#include "template.h"

typedef struct {
    REAL *data;
    ptrdiff_t row, column;
} NAME(matrix);

static NAME(matrix) NAME(at)(NAME(matrix) x, size_t i, size_t j)
{
    x.data += (ptrdiff_t)i * x.row + (ptrdiff_t)j * x.column;
    return x;
}

static NAME(matrix) NAME(transposed)(NAME(matrix) x)
{
    return (NAME(matrix)){x.data, x.column, x.row};
}

/* A tile of C in whole vectors: C = A B + added, where every `chain` of the depth is a chain of its own. */
static void NAME(tile)(const NAME(microkernel) *kernel, size_t rows, size_t vectors, size_t depth, size_t chain, NAME(matrix) a,
                       const REAL *b, ptrdiff_t b_row, const REAL *added, ptrdiff_t added_row, REAL *c, ptrdiff_t c_row)
{
    for (size_t p = 0; p < depth; p += chain, added = c, added_row = c_row)
        kernel->run(rows, vectors, least(depth - p, chain), NAME(at)(a, 0, p).data, a.row, a.column, b + (ptrdiff_t)p * b_row, b_row,
                    added, added_row, c, c_row);
}

/* A tile that is not whole vectors in a row: a copy of it is made. */
static void NAME(tile_by_copy)(const NAME(microkernel) *kernel, size_t rows, size_t columns, size_t depth, size_t chain,
                               NAME(matrix) a, const REAL *b, ptrdiff_t b_row, NAME(matrix) added, NAME(matrix) c)
{
    REAL copy[LARGEST_TILE] = {0};
    size_t vectors = (columns + kernel->lanes - 1) / kernel->lanes, width = vectors * kernel->lanes;
    for (size_t i = 0; added.data && i < rows; i++)
        for (size_t j = 0; j < columns; j++)
            copy[i * width + j] = *NAME(at)(added, i, j).data;
    NAME(tile)(kernel, rows, vectors, depth, chain, a, b, b_row, added.data ? copy : NULL, (ptrdiff_t)width, copy, (ptrdiff_t)width);
    for (size_t i = 0; c.column == 1 && i < rows; i++)
        memcpy(NAME(at)(c, i, 0).data, copy + i * width, columns * sizeof *copy);
    for (size_t j = 0; c.column != 1 && j < columns; j++)
        for (size_t i = 0; i < rows; i++)
            *NAME(at)(c, i, j).data = copy[i * width + j];
}

/* Asks for the next tile of C, which lies in rows, while this one is made: all its lines, and to write them. */
static void NAME(prefetch)(NAME(matrix) c, size_t rows, size_t columns)
{
    for (size_t i = 0; i < rows; i++, c.data += c.row) {
        for (size_t j = 0; j < columns; j += CACHE_LINE / sizeof(REAL))
            __builtin_prefetch(c.data + j, 1);
        __builtin_prefetch(c.data + columns - 1, 1);
    }
}

/* Slivers of B, as the microkernel reads them: nr columns each, `next` numbers after the one before. */
typedef struct {
    const REAL *data;
    size_t nr;
    ptrdiff_t row, next;
} NAME(slivers);

/* A sliver of A meets slivers of B: up to mr rows of C = A B + added, a tile at a time. `below` rows of C come next. */
static void NAME(strip)(const NAME(microkernel) *kernel, size_t rows, size_t columns, size_t depth, size_t chain, NAME(matrix) a,
                        NAME(slivers) b, NAME(matrix) added, NAME(matrix) c, size_t below)
{
    int in_rows = c.column == 1, added_in_rows = !added.data || added.column == 1;
    for (size_t j = 0; j < columns; j += b.nr, b.data += b.next) {
        size_t width = least(columns - j, b.nr), next = j + b.nr;
        NAME(matrix) here = NAME(at)(c, 0, j), more = NAME(at)(added, 0, j);
        if (in_rows && next < columns)
            NAME(prefetch)(NAME(at)(c, 0, next), rows, least(columns - next, b.nr));
        else if (in_rows && below)
            NAME(prefetch)(NAME(at)(c, rows, 0), below, least(columns, b.nr));
        if (in_rows && added_in_rows && width % kernel->lanes == 0)
            NAME(tile)(kernel, rows, width / kernel->lanes, depth, chain, a, b.data, b.row, more.data, more.row, here.data, here.row);
        else
            NAME(tile_by_copy)(kernel, rows, width, depth, chain, a, b.data, b.row, more, here);
    }
}

/* C = A B + bias; without a bias, its data is NULL and its strides are 0. */
static int NAME(five_loops)(const NAME(microkernel) *kernel, size_t m, size_t n, size_t k, NAME(matrix) a, NAME(matrix) b,
                            NAME(matrix) bias, NAME(matrix) c)
{
    size_t lanes = kernel->lanes, mr = kernel->mr, widest = m == 1 ? ROW_VECTORS * lanes : kernel->nr;
    size_t mc = block(m, MC, mr), nc = block(n, NC, widest), chain = block(k, KC, 1), line = CACHE_LINE / sizeof(REAL);
    /* Where C is narrow and does not lie in rows, to go over it once more costs more than a deeper block. */
    size_t kc = least(k, c.column != 1 && n <= UNPACKED_LENGTH ? 2 * chain : chain);
    size_t unpacked_length = b.row * (ptrdiff_t)sizeof(REAL) % ALIASED ? UNPACKED_LENGTH : ALIASED_LENGTH;
    int pack_a = m * k > UNPACKED && n > UNPACKED_LENGTH, pack_b = b.column != 1 || m > unpacked_length;
    int whole_panel = pack_b && m > mc; /* otherwise some slivers at a time, just before they are read */
    size_t group = least(nc, SLIVERS * widest);
    size_t b_size = ((whole_panel ? nc : group) * kc + line - 1) / line * line, a_size = pack_a ? mc * kc + lanes : 0;
    void *buffer = malloc((b_size + a_size + line) * sizeof(REAL));
    if (!buffer)
        return -1;
    /* From the beginning of a cache line, so that no vector of B straddles two. */
    REAL *packed_b = (REAL *)(((uintptr_t)buffer + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE), *packed_a = packed_b + b_size;

    for (size_t jc = 0; jc < n; jc += nc) { /* 5th loop: columns of B and C */
        size_t width = least(n - jc, nc);
        for (size_t pc = 0; pc < k; pc += kc) { /* 4th loop: the depth */
            size_t depth = least(k - pc, kc);
            NAME(matrix) panel = NAME(at)(b, pc, jc);
            if (whole_panel)
                kernel->pack(width, depth, widest, panel.data, panel.column, panel.row, packed_b);
            for (size_t ic = 0; ic < m; ic += mc) { /* 3rd loop: rows of A and C */
                size_t height = least(m - ic, mc);
                NAME(matrix) part = NAME(at)(a, ic, pc);
                if (pack_a)
                    kernel->pack(height, depth, mr, part.data, part.row, part.column, packed_a);
                for (size_t jr = 0, columns; jr < width; jr += columns) { /* 2nd loop: some slivers of B */
                    columns = least(width - jr, group);
                    if (!pack_b && columns > lanes)
                        columns -= columns % lanes; /* read where they lie; the rest is filled up with zeros */
                    NAME(matrix) some = NAME(at)(panel, 0, jr);
                    size_t nr = whole_panel ? widest : block(columns, widest, lanes);
                    NAME(slivers) slivers = {packed_b + (whole_panel ? jr * depth : 0), nr, (ptrdiff_t)nr, (ptrdiff_t)(nr * depth)};
                    if (!pack_b && columns % lanes == 0)
                        slivers = (NAME(slivers)){some.data, nr, b.row, (ptrdiff_t)nr};
                    else if (!whole_panel)
                        kernel->pack(columns, depth, nr, some.data, some.column, some.row, packed_b);
                    for (size_t ir = 0; ir < height; ir += mr) { /* 1st loop: slivers of A */
                        size_t rows = least(height - ir, mr);
                        NAME(matrix) sliver = NAME(at)(part, ir, 0), strip = NAME(at)(c, ic + ir, jc + jr);
                        if (pack_a)
                            sliver = (NAME(matrix)){packed_a + ir * depth, 1, (ptrdiff_t)mr};
                        NAME(strip)(kernel, rows, columns, depth, chain, sliver, slivers, pc ? strip : NAME(at)(bias, ic + ir, jc + jr),
                                    strip, least(height - ir - rows, mr));
                    }
                }
            }
        }
    }
    free(buffer);
    return 0;
}

/* One row times columns of B that lie in order: C = A B + bias. */
static int NAME(one_row)(const NAME(microkernel) *kernel, size_t n, size_t k, NAME(matrix) a, NAME(matrix) b, NAME(matrix) bias,
                         NAME(matrix) c)
{
    kernel->dots(n, k, a.data, b.data, b.column, c.data, c.column);
    for (size_t j = 0; bias.data && j < n; j++)
        *NAME(at)(c, 0, j).data += *NAME(at)(bias, 0, j).data;
    return 0;
}

/* A product, and how it is made: as `dots` or not is decided for the whole, so that no part of it is made in another way. */
typedef struct {
    size_t m, n, k;
    NAME(matrix) a, b, bias, c;
    const NAME(microkernel) *kernel;
    int dots;
    _Atomic int *failed;
} NAME(product);

/* Makes the product in one thread. A long depth is cut in halves, and these again: so the error of a sum over k numbers grows like
 * log k. */
static int NAME(by_halves)(NAME(product) p)
{
    if (p.k <= LONGEST)
        return p.dots ? NAME(one_row)(p.kernel, p.n, p.k, p.a, p.b, p.bias, p.c)
                      : NAME(five_loops)(p.kernel, p.m, p.n, p.k, p.a, p.b, p.bias, p.c);

    NAME(product) first = p, second = p;
    first.k = (p.k / 2 + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
    second.k = p.k - first.k;
    second.a = NAME(at)(p.a, 0, first.k);
    second.b = NAME(at)(p.b, first.k, 0);
    second.bias = (NAME(matrix)){NULL, 0, 0};
    second.c = (NAME(matrix)){malloc(p.m * p.n * sizeof(REAL)), (ptrdiff_t)p.n, 1};
    int failed = !second.c.data || NAME(by_halves)(first) || NAME(by_halves)(second);
    for (size_t i = 0; !failed && i < p.m; i++)
        for (size_t j = 0; j < p.n; j++)
            *NAME(at)(p.c, i, j).data += *NAME(at)(second.c, i, j).data;
    free(second.c.data);
    return failed;
}

/* Some rows of C, where it has more of them than columns, or some columns: threads share these out, never a sum, so that the
 * bits do not depend on how many there are. */
static int NAME(by_rows)(const NAME(product) *p)
{
    return p->m >= p->n;
}

static void NAME(make_part)(const void *job, size_t begin, size_t end)
{
    NAME(product) p = *(const NAME(product) *)job;
    if (NAME(by_rows)(job)) {
        p.m = end - begin;
        p.a = NAME(at)(p.a, begin, 0);
        p.bias = NAME(at)(p.bias, begin, 0);
        p.c = NAME(at)(p.c, begin, 0);
    } else {
        p.n = end - begin;
        p.b = NAME(at)(p.b, 0, begin);
        p.bias = NAME(at)(p.bias, 0, begin);
        p.c = NAME(at)(p.c, 0, begin);
    }
    if (NAME(by_halves)(p))
        *p.failed = 1;
}

/* What it costs, in steps of the microkernel, to make C with B (k x n) in vectors: products, packing B, and scattering C. */
static double NAME(cost)(size_t lanes, size_t m, size_t n, size_t k, ptrdiff_t b_column, ptrdiff_t c_column)
{
    size_t vectors = (n + lanes - 1) / lanes;
    return (double)m * (double)vectors * (double)k + (b_column == 1 ? 0 : 6.0 * (double)vectors * (double)k)
        + (c_column == 1 ? 0 : 3.0 * (double)m * (double)n);
}

int NAME(matmul)(size_t m, size_t n, size_t k, const REAL *a, ptrdiff_t a_row, ptrdiff_t a_column, const REAL *b,
                 ptrdiff_t b_row, ptrdiff_t b_column, const REAL *bias, REAL *c, ptrdiff_t c_row, ptrdiff_t c_column)
{
    if (m == 0 || n == 0)
        return 0;
    const NAME(microkernel) *kernel = isa_current()->NAME(microkernel);
    _Atomic int failed = 0;
    NAME(product) p = {m, n, k, {(REAL *)a, a_row, a_column}, {(REAL *)b, b_row, b_column}, {(REAL *)bias, 0, bias != NULL},
        {c, c_row, c_column}, kernel, 0, &failed};
    if (k == 0) {
        for (size_t i = 0; i < m; i++)
            for (size_t j = 0; j < n; j++)
                *NAME(at)(p.c, i, j).data = bias ? bias[j] : 0;
        return 0;
    }
    /* One row stays one row, and one column becomes one, on every instruction set: `dots` has bits of its own. */
    if (n == 1 || (m > 1 && NAME(cost)(kernel->lanes, n, m, k, a_row, c_row) < NAME(cost)(kernel->lanes, m, n, k, b_column, c_column)))
        p = (NAME(product)){n, m, k, NAME(transposed)(p.b), NAME(transposed)(p.a), NAME(transposed)(p.bias),
            NAME(transposed)(p.c), kernel, 0, &failed}; /* C^T = B^T A^T */
    p.dots = p.m == 1 && p.a.column == 1 && p.b.row == 1 && (p.b.column != 1 || p.n == 1);
    int rows = NAME(by_rows)(&p);
    threads_deal(rows ? p.m : p.n, rows ? kernel->mr : kernel->lanes, 1 + m * n * k / WORK_PER_THREAD, NAME(make_part), &p);
    return failed ? -1 : 0;
}

#undef SUFFIX
#undef REAL
