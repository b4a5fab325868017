/* matmul_loops.h: the template of the five loops around the microkernel; matmul.c includes it once per precision.
 *
 * The naive triple loop, cut into blocks so that each level of cache is read many times for every time it is filled.
 * Packing copies a block into the order in which the microkernel reads it, whatever strides the caller's matrix has. What is
 * in that order already, or is read too seldom to repay the copy, is left where it is. */
#define PASTE_(a, b) a##_##b
#define PASTE(a, b) PASTE_(a, b)
#define NAME(stem) PASTE(stem, SUFFIX)

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

/* One tile of C. The microkernel writes whole vectors with unit column stride: other tiles go through a copy. */
static void NAME(tile)(const NAME(microkernel) *kernel, size_t rows, size_t columns, size_t depth, NAME(matrix) a, const REAL *b,
                       ptrdiff_t b_row, NAME(matrix) c, int accumulate)
{
    size_t lanes = kernel->lanes, vectors = (columns + lanes - 1) / lanes;
    if (columns == vectors * lanes && c.column == 1) {
        kernel->run(rows, vectors, depth, a.data, a.row, a.column, b, b_row, c.data, c.row, accumulate);
        return;
    }
    REAL copy[LARGEST_TILE];
    ptrdiff_t width = (ptrdiff_t)(vectors * lanes);
    memset(copy, 0, rows * vectors * lanes * sizeof *copy);
    for (size_t i = 0; accumulate && i < rows; i++)
        for (size_t j = 0; j < columns; j++)
            copy[(ptrdiff_t)i * width + (ptrdiff_t)j] = *NAME(at)(c, i, j).data;
    kernel->run(rows, vectors, depth, a.data, a.row, a.column, b, b_row, copy, width, accumulate);
    for (size_t j = 0; j < columns; j++)
        for (size_t i = 0; i < rows; i++)
            *NAME(at)(c, i, j).data = copy[(ptrdiff_t)i * width + (ptrdiff_t)j];
}

/* Asks for the next tile of C while this one is made: all its lines, and to write them. */
static void NAME(prefetch)(NAME(matrix) c, size_t rows, size_t columns)
{
    for (size_t i = 0; i < rows; i++) {
        for (size_t j = 0; j < columns; j += CACHE_LINE / sizeof(REAL))
            __builtin_prefetch(NAME(at)(c, i, j).data, 1);
        __builtin_prefetch(NAME(at)(c, i, columns - 1).data, 1);
    }
}

/* C = bias + A B in one thread; without a bias, its data is NULL. */
static int NAME(five_loops)(size_t m, size_t n, size_t k, NAME(matrix) a, NAME(matrix) b, NAME(matrix) bias, NAME(matrix) c)
{
    const NAME(microkernel) *kernel = &isa_current()->SUFFIX;
    if (m == 1 && a.column == 1 && b.row == 1 && (b.column != 1 || n == 1)) { /* columns of B that lie in order */
        kernel->dots(n, k, a.data, b.data, b.column, c.data, c.column);
        for (size_t j = 0; bias.data && j < n; j++)
            *NAME(at)(c, 0, j).data += *NAME(at)(bias, 0, j).data;
        return 0;
    }
    for (size_t i = 0; bias.data && i < m; i++)
        for (size_t j = 0; j < n; j++)
            *NAME(at)(c, i, j).data = *NAME(at)(bias, i, j).data;
    size_t mr = kernel->mr, nr = m == 1 ? ROW_VECTORS * kernel->lanes : kernel->nr, line = CACHE_LINE / sizeof(REAL);
    nr = least(nr, block(n, n, kernel->lanes)); /* no wider than C */
    /* Where C is narrow and does not lie in rows, to go over it once more costs more than a deeper block. */
    size_t deepest = c.column != 1 && n <= UNPACKED_LENGTH ? 2 * KC : KC;
    size_t mc = block(m, MC, mr), nc = block(n, NC, nr), kc = block(k, deepest, 1);
    int pack_a = m * k > UNPACKED && n > UNPACKED_LENGTH, pack_b = b.column != 1 || m > UNPACKED_LENGTH;
    int whole_panel = pack_b && m > mc; /* otherwise one sliver at a time, just before it is read */
    size_t b_size = ((whole_panel ? nc : nr) * kc + line - 1) / line * line, a_size = pack_a ? mc * kc + kernel->lanes : 0;
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
                kernel->pack(width, depth, nr, panel.data, panel.column, panel.row, packed_b);
            for (size_t ic = 0; ic < m; ic += mc) { /* 3rd loop: rows of A and C */
                size_t height = least(m - ic, mc);
                NAME(matrix) part = NAME(at)(a, ic, pc);
                if (pack_a)
                    kernel->pack(height, depth, mr, part.data, part.row, part.column, packed_a);
                for (size_t jr = 0, columns; jr < width; jr += columns) { /* 2nd loop: slivers of B */
                    columns = least(width - jr, nr);
                    if (!whole_panel && width - jr > nr && width - jr - nr <= kernel->lanes)
                        columns -= kernel->lanes; /* two middling tiles at the end, not a wide and a narrow one */
                    const REAL *sliver = NAME(at)(panel, 0, jr).data;
                    ptrdiff_t sliver_row = b.row;
                    if (whole_panel) {
                        sliver = packed_b + jr * depth, sliver_row = (ptrdiff_t)nr;
                    } else if (pack_b || columns % kernel->lanes) { /* the last vector is read whole: filled up with zeros */
                        kernel->pack(columns, depth, nr, sliver, panel.column, panel.row, packed_b);
                        sliver = packed_b, sliver_row = (ptrdiff_t)nr;
                    }
                    for (size_t ir = 0; ir < height; ir += mr) { /* 1st loop: slivers of A */
                        NAME(matrix) rows = pack_a ? (NAME(matrix)){packed_a + ir * depth, 1, (ptrdiff_t)mr} : NAME(at)(part, ir, 0);
                        NAME(matrix) tile = NAME(at)(c, ic + ir, jc + jr);
                        NAME(prefetch)(NAME(at)(tile, mr, 0), ir + mr < height ? least(height - ir - mr, mr) : 0, columns);
                        NAME(tile)(kernel, least(height - ir, mr), columns, depth, rows, sliver, sliver_row, tile, pc > 0 || bias.data);
                    }
                }
            }
        }
    }
    free(buffer);
    return 0;
}

/* A product dealt out to threads: each makes some rows or some columns of C, never a part of a sum, so that the bits do
 * not depend on how many there are. */
typedef struct {
    size_t m, n, k, parts;
    NAME(matrix) a, b, bias, c;
    int failed;
} NAME(product);

static void NAME(make_part)(void *job, size_t part)
{
    NAME(product) *p = job;
    int by_rows = p->m >= p->n;
    size_t length = by_rows ? p->m : p->n, grain = by_rows ? isa_current()->SUFFIX.mr : isa_current()->SUFFIX.lanes;
    size_t begin = threads_begin(length, grain, p->parts, part);
    size_t size = threads_begin(length, grain, p->parts, part + 1) - begin;
    int failed = by_rows
        ? NAME(five_loops)(size, p->n, p->k, NAME(at)(p->a, begin, 0), p->b, NAME(at)(p->bias, begin, 0), NAME(at)(p->c, begin, 0))
        : NAME(five_loops)(p->m, size, p->k, p->a, NAME(at)(p->b, 0, begin), NAME(at)(p->bias, 0, begin), NAME(at)(p->c, 0, begin));
    if (failed)
        p->failed = -1; /* whoever writes it writes the same */
}

/* What it costs, in steps of the microkernel, to make C with B (k x n) in vectors: products, packing B, and scattering C. */
static double NAME(cost)(size_t m, size_t n, size_t k, ptrdiff_t b_column, ptrdiff_t c_column)
{
    size_t lanes = isa_current()->SUFFIX.lanes, vectors = (n + lanes - 1) / lanes;
    return (double)m * (double)vectors * (double)k + (b_column == 1 ? 0 : 4.0 * (double)vectors * (double)k)
        + (c_column == 1 ? 0 : 2.0 * (double)m * (double)n);
}

int NAME(matmul)(size_t m, size_t n, size_t k, const REAL *a, ptrdiff_t a_row, ptrdiff_t a_column, const REAL *b,
                 ptrdiff_t b_row, ptrdiff_t b_column, const REAL *bias, REAL *c, ptrdiff_t c_row, ptrdiff_t c_column)
{
    if (m == 0 || n == 0)
        return 0;
    NAME(product) p = {m, n, k, 1, {(REAL *)a, a_row, a_column}, {(REAL *)b, b_row, b_column}, {(REAL *)bias, 0, bias != NULL},
        {c, c_row, c_column}, 0};
    if (k == 0) {
        for (size_t i = 0; i < m; i++)
            for (size_t j = 0; j < n; j++)
                *NAME(at)(p.c, i, j).data = bias ? bias[j] : 0;
        return 0;
    }
    /* One row stays one row, and one column becomes one, on every instruction set: `dots` has bits of its own. */
    if (n == 1 || (m > 1 && NAME(cost)(n, m, k, a_row, c_row) < NAME(cost)(m, n, k, b_column, c_column))) /* C^T = B^T A^T */
        p = (NAME(product)){n, m, k, 1, NAME(transposed)(p.b), NAME(transposed)(p.a), NAME(transposed)(p.bias),
            NAME(transposed)(p.c), 0};
    double parts = 1 + (double)m * (double)n * (double)k / WORK_PER_THREAD;
    p.parts = parts < (double)threads_get() ? (size_t)parts : threads_get();
    threads_run(p.parts, NAME(make_part), &p);
    return p.failed;
}

#undef SUFFIX
#undef REAL
#undef NAME
#undef PASTE
#undef PASTE_
