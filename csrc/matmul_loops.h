/* matmul_loops.h: the template of the five loops around the microkernel; matmul.c includes it once per precision.
 *
 * The naive triple loop, cut into blocks so that each level of cache is read many times for every time it is filled.
 * Packing copies a block into the order in which the microkernel reads it; whatever strides the caller's matrix has
 * end there, so a transposed operand costs nothing more. */
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

/* Packs a length x depth matrix in slivers of `width` rows, each stored column after column; the last is filled up with
 * zeros. B is packed by the same function, seen transposed. */
static void NAME(pack)(NAME(matrix) x, size_t length, size_t depth, size_t width, REAL *out)
{
    for (size_t i = 0; i < length; i += width, out += width * depth) {
        size_t rows = length - i < width ? length - i : width;
        if (rows < width)
            memset(out, 0, width * depth * sizeof *out);
        if (x.row == 1) {
            for (size_t p = 0; p < depth; p++)
                memcpy(out + p * width, NAME(at)(x, i, p).data, rows * sizeof *out);
        } else {
            for (size_t r = 0; r < rows; r++) {
                const REAL *from = NAME(at)(x, i + r, 0).data;
                for (size_t p = 0; p < depth; p++)
                    out[p * width + r] = from[(ptrdiff_t)p * x.column];
            }
        }
    }
}

/* One tile of C. The microkernel writes whole tiles with unit column stride: others go through a copy. */
static void NAME(tile)(const NAME(microkernel) *kernel, size_t rows, size_t columns, size_t depth, const REAL *a,
                       const REAL *b, NAME(matrix) c, int accumulate)
{
    if (rows == kernel->mr && columns == kernel->nr && c.column == 1) {
        kernel->run(depth, a, b, c.data, c.row, accumulate);
        return;
    }
    REAL copy[LARGEST_TILE] = {0};
    for (size_t i = 0; accumulate && i < rows; i++)
        for (size_t j = 0; j < columns; j++)
            copy[i * kernel->nr + j] = *NAME(at)(c, i, j).data;
    kernel->run(depth, a, b, copy, (ptrdiff_t)kernel->nr, accumulate);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < columns; j++)
            *NAME(at)(c, i, j).data = copy[i * kernel->nr + j];
}

static size_t NAME(least)(size_t x, size_t y)
{
    return x < y ? x : y;
}

/* C = A B in one thread. */
static int NAME(five_loops)(size_t m, size_t n, size_t k, NAME(matrix) a, NAME(matrix) b, NAME(matrix) c)
{
    const NAME(microkernel) *kernel = &isa_current()->SUFFIX;
    size_t mr = kernel->mr, nr = kernel->nr, depth_most = NAME(least)(k, KC);
    size_t a_size = (NAME(least)(m, MC) + mr - 1) * depth_most, b_size = (NAME(least)(n, NC) + nr - 1) * depth_most;
    REAL *packed_a = malloc((a_size + b_size) * sizeof *packed_a), *packed_b = packed_a + a_size;
    if (!packed_a)
        return -1;

    for (size_t jc = 0; jc < n; jc += NC) { /* 5th loop: columns of B and C */
        size_t width = NAME(least)(n - jc, NC);
        for (size_t pc = 0; pc < k; pc += KC) { /* 4th loop: the depth */
            size_t depth = NAME(least)(k - pc, KC);
            NAME(matrix) panel = {NAME(at)(b, pc, jc).data, b.column, b.row};
            NAME(pack)(panel, width, depth, nr, packed_b);
            for (size_t ic = 0; ic < m; ic += MC) { /* 3rd loop: rows of A and C */
                size_t height = NAME(least)(m - ic, MC);
                NAME(pack)(NAME(at)(a, ic, pc), height, depth, mr, packed_a);
                for (size_t jr = 0; jr < width; jr += nr) /* 2nd loop: slivers of B */
                    for (size_t ir = 0; ir < height; ir += mr) /* 1st loop: slivers of A */
                        NAME(tile)(kernel, NAME(least)(height - ir, mr), NAME(least)(width - jr, nr), depth,
                                   packed_a + ir * depth, packed_b + jr * depth, NAME(at)(c, ic + ir, jc + jr), pc > 0);
            }
        }
    }
    free(packed_a);
    return 0;
}

/* A product dealt out to threads: each makes some rows or some columns of C, never a part of a sum, so that the bits do
 * not depend on how many there are. */
typedef struct {
    size_t m, n, k, parts;
    NAME(matrix) a, b, c;
    int failed;
} NAME(product);

static void NAME(make_part)(void *job, size_t part)
{
    NAME(product) *p = job;
    int by_rows = p->m >= p->n;
    size_t length = by_rows ? p->m : p->n, grain = by_rows ? isa_current()->SUFFIX.mr : isa_current()->SUFFIX.nr;
    size_t begin = threads_begin(length, grain, p->parts, part);
    size_t size = threads_begin(length, grain, p->parts, part + 1) - begin;
    int failed = by_rows
        ? NAME(five_loops)(size, p->n, p->k, NAME(at)(p->a, begin, 0), p->b, NAME(at)(p->c, begin, 0))
        : NAME(five_loops)(p->m, size, p->k, p->a, NAME(at)(p->b, 0, begin), NAME(at)(p->c, 0, begin));
    if (failed)
        p->failed = -1; /* whoever writes it writes the same */
}

int NAME(matmul)(size_t m, size_t n, size_t k, const REAL *a, ptrdiff_t a_row, ptrdiff_t a_column, const REAL *b,
                 ptrdiff_t b_row, ptrdiff_t b_column, REAL *c, ptrdiff_t c_row, ptrdiff_t c_column)
{
    if (m == 0 || n == 0)
        return 0;
    if (k == 0) {
        for (size_t i = 0; i < m; i++)
            for (size_t j = 0; j < n; j++)
                c[(ptrdiff_t)i * c_row + (ptrdiff_t)j * c_column] = 0;
        return 0;
    }
    double parts = 1 + (double)m * (double)n * (double)k / WORK_PER_THREAD;
    NAME(product) p = {m, n, k, parts < (double)threads_get() ? (size_t)parts : threads_get(),
                       {(REAL *)a, a_row, a_column}, {(REAL *)b, b_row, b_column}, {c, c_row, c_column}, 0};
    if (c_column != 1 && c_row == 1) /* C^T = B^T A^T has unit column stride */
        p = (NAME(product)){n, m, k, p.parts, {(REAL *)b, b_column, b_row}, {(REAL *)a, a_column, a_row},
                            {c, c_column, c_row}, 0};
    threads_run(p.parts, NAME(make_part), &p);
    return p.failed;
}

#undef SUFFIX
#undef REAL
#undef NAME
#undef PASTE
#undef PASTE_
