/* matmul_loops.h: the template of the five loops around the micro-kernel; matmul.c includes it once per precision.
 *
 * The naive triple loop, cut into blocks so that each level of cache is read many times for every time it is filled. A
 * plan says how large the blocks are and what is packed: copied into the order in which the micro-kernel reads it,
 * whatever strides the caller's matrix has. What is in that order already, or is read too seldom to repay the copy, is
 * left where it is. */
#include "template.h"

/* at_f32, at_f64: the matrix from row i and column j on. */
static NAME(matrix) NAME(at)(NAME(matrix) x, size_t i, size_t j)
{
    if (x.of) {
        x.row += (ptrdiff_t)i;
        x.column += (ptrdiff_t)j;
    } else {
        x.data += (ptrdiff_t)i * x.row + (ptrdiff_t)j * x.column;
    }
    return x;
}

/* transposed_f32, transposed_f64 */
static NAME(matrix) NAME(transposed)(NAME(matrix) x)
{
    return (NAME(matrix)){x.data, x.column, x.row, x.of, !x.turned};
}

/* run_of_places_f32, run_of_places_f64: what C begins with, as a matrix with strides: of images, the channels at those
 * places which are neighbours in a row; *columns becomes their number. */
static NAME(matrix) NAME(run_of_places)(NAME(matrix) x, size_t *columns)
{
    const patches *of = x.of;
    if (!of)
        return x;
    size_t b = (size_t)x.column % of->out[1], line = (size_t)x.column / of->out[1];
    ptrdiff_t a = (ptrdiff_t)(line % of->out[0]), n = (ptrdiff_t)(line / of->out[0]);
    *columns = least(*columns, of->out[1] - b);
    return (NAME(matrix)){x.data + n * of->image + x.row * of->channel + (a * of->stride[0] - of->padding[0]) * of->row
            + (ptrdiff_t)b * of->stride[1] - of->padding[1],
        of->channel, of->stride[1], NULL, 0};
}

/* element_f32, element_f64 */
static REAL *NAME(element)(NAME(matrix) x, size_t i, size_t j)
{
    size_t columns = 1;
    return NAME(run_of_places)(NAME(at)(x, i, j), &columns).data;
}

/* product_f32, product_f64: C = A B + added; where nothing is added, its data is NULL and its strides are 0. As `dots`
 * or not is decided for the whole, so that no part of it is made in another way. */
typedef struct {
    size_t m, n, k;
    NAME(matrix) a, b, added, c;
    const NAME(microkernel) *kernel;
    int dots;
    _Atomic int *failed;
} NAME(product);

/* rows_f32, rows_f64: the part of a product that makes at most m rows of C, from row i on. */
static NAME(product) NAME(rows)(NAME(product) x, size_t i, size_t m)
{
    x.m = least(x.m - i, m);
    x.a = NAME(at)(x.a, i, 0);
    x.added = NAME(at)(x.added, i, 0);
    x.c = NAME(at)(x.c, i, 0);
    return x;
}

/* columns_f32, columns_f64: the part that makes at most n columns of C, from column j on. */
static NAME(product) NAME(columns)(NAME(product) x, size_t j, size_t n)
{
    x.n = least(x.n - j, n);
    x.b = NAME(at)(x.b, 0, j);
    x.added = NAME(at)(x.added, 0, j);
    x.c = NAME(at)(x.c, 0, j);
    return x;
}

/* depth_f32, depth_f64: the part that goes over at most k of the depth, from p on; all but the first are added to
 * C. */
static NAME(product) NAME(depth)(NAME(product) x, size_t p, size_t k)
{
    x.k = least(x.k - p, k);
    x.a = NAME(at)(x.a, 0, p);
    x.b = NAME(at)(x.b, p, 0);
    x.added = p ? x.c : x.added;
    return x;
}

/* plan_for_f32, plan_for_f64: whatever a plan says, the bits are the same, since `chain` depends on k alone. */
static plan NAME(plan_for)(const NAME(product) *x)
{
    plan p;
    size_t lanes = x->kernel->lanes, line = CACHE_LINE / sizeof(REAL);

    p.mr = x->kernel->mr;
    /* Where C is one row, the registers of a whole tile hold a longer one. */
    p.nr = x->m == 1 ? ROW_VECTORS * lanes : x->kernel->nr;

    p.mc = block(x->m, MC, p.mr);
    p.nc = block(x->n, NC, p.nr);
    p.group = least(p.nc, MICRO_PANELS * p.nr);
    p.chain = chain_of(x->k);
    /* Where C is narrow and not row-major, to go over it once more costs more than a deeper block. */
    p.kc = least(x->k, x->c.column != 1 && x->n <= UNPACKED_LENGTH ? 2 * p.chain : p.chain);

    /* The micro-kernel takes A with any strides: a small A stays in the cache, and few columns of B do not repay a
     * copy. */
    p.pack_a = x->a.of || (x->m * x->k > UNPACKED && x->n > UNPACKED_LENGTH);

    /* It takes B only with contiguous rows, and few rows of A do not repay a copy. A panel is packed whole where
     * several blocks of A meet it; else a group at a time, just before it is read. */
    int aliased = x->b.row * (ptrdiff_t)sizeof(REAL) % ALIASED == 0;
    int in_place = !x->b.of && x->b.column == 1 && x->m <= (size_t)(aliased ? ALIASED_LENGTH : UNPACKED_LENGTH);
    p.pack_b = in_place ? IN_PLACE : x->m > p.mc ? PANELS : GROUPS;

    /* `pack` may write `lanes` numbers past the end. What follows B begins with a cache line; even in place there is a
     * buffer for B, since its last columns are packed if they are no whole vector. */
    p.a_size = p.pack_a ? p.mc * p.kc + lanes : 0;
    p.b_size = ((p.pack_b == PANELS ? p.nc : p.group) * p.kc + line - 1) / line * line;
    return p;
}

/* micro_panels_f32, micro_panels_f64: as the micro-kernel reads A and B. A micro-panel has `width` rows of A or
 * columns of B, `across` numbers apart; from one step of the depth to the next it is `along`, from one micro-panel to
 * the next `next`. */
typedef struct {
    const REAL *data;
    size_t width;
    ptrdiff_t across, along, next;
} NAME(micro_panels);

/* packed_f32, packed_f64: the micro-panels that `pack` makes in `memory` of the rows of a matrix. */
static NAME(micro_panels) NAME(packed)(const REAL *memory, size_t depth, size_t width)
{
    return (NAME(micro_panels)){memory, width, 1, (ptrdiff_t)width, (ptrdiff_t)(width * depth)};
}

/* pack_places_f32, pack_places_f64: the turned matrix of patches, whose rows are places. Where these are numbers of the
 * images, runs of them have strides. */
static void NAME(pack_places)(const NAME(microkernel) *kernel, size_t length, size_t depth, size_t width, NAME(matrix) x,
                              REAL *memory)
{
    int numbers = are_numbers(x.of);
    for (size_t i = 0, rows; i < length; i += rows, memory += rows * depth) {
        NAME(matrix) from = NAME(transposed)(NAME(at)(x, i, 0));
        rows = length - i;
        if (numbers)
            from = NAME(run_of_places)(from, &rows);
        if (rows < length - i)
            rows = rows / width * width;
        if (numbers && rows) {
            kernel->pack(rows, depth, width, from.data, from.column, from.row, memory);
        } else { /* all; or a micro-panel with the end of one run and the beginning of the next */
            rows = least(length - i, numbers ? width : length);
            kernel->unfold(x.of, x.data, (size_t)x.column, depth, (size_t)x.row + i, rows, width, memory);
        }
    }
}

/* pack_taps_f32, pack_taps_f64: the matrix of patches, whose rows are taps: some places of each are copied to a small
 * matrix, which is then turned. Where they are numbers of the images there is no need to. */
static void NAME(pack_taps)(const NAME(microkernel) *kernel, size_t length, size_t depth, size_t width, NAME(matrix) x,
                            REAL *memory)
{
    REAL some[LARGEST_WIDTH * TURNED_AT_ONCE];
    int numbers = are_numbers(x.of);
    for (size_t i = 0; i < length; i += width, memory += width * depth)
        for (size_t p = 0, rows = least(length - i, width), columns; p < depth; p += columns) {
            NAME(matrix) from = {some, TURNED_AT_ONCE, 1, NULL, 0};
            columns = least(depth - p, numbers ? depth : TURNED_AT_ONCE);
            if (numbers)
                from = NAME(run_of_places)(NAME(at)(x, i, p), &columns);
            else
                kernel->unfold(x.of, x.data, (size_t)x.row + i, rows, (size_t)x.column + p, columns, TURNED_AT_ONCE, some);
            kernel->pack(rows, columns, width, from.data, from.row, from.column, memory + p * width);
        }
}

/* pack_f32, pack_f64: the rows of a matrix in micro-panels of `width` rows. */
static NAME(micro_panels) NAME(pack)(const NAME(microkernel) *kernel, size_t length, size_t depth, size_t width,
                                     NAME(matrix) x, REAL *memory)
{
    if (!x.of)
        kernel->pack(length, depth, width, x.data, x.row, x.column, memory);
    else
        (x.turned ? NAME(pack_places) : NAME(pack_taps))(kernel, length, depth, width, x, memory);
    return NAME(packed)(memory, depth, width);
}

/* pack_a_f32, pack_a_f64: A in micro-panels of mr rows. */
static NAME(micro_panels) NAME(pack_a)(const NAME(product) *x, const plan *p, REAL *memory)
{
    if (!p->pack_a)
        return (NAME(micro_panels)){x->a.data, p->mr, x->a.row, x->a.column, (ptrdiff_t)p->mr * x->a.row};
    return NAME(pack)(x->kernel, x->m, x->k, p->mr, x->a, memory);
}

/* pack_b_f32, pack_b_f64: B in micro-panels of nr columns. */
static NAME(micro_panels) NAME(pack_b)(const NAME(product) *x, size_t nr, int in_place, REAL *memory)
{
    if (in_place)
        return (NAME(micro_panels)){x->b.data, nr, 1, x->b.row, (ptrdiff_t)nr};
    return NAME(pack)(x->kernel, x->n, x->k, nr, NAME(transposed)(x->b), memory);
}

/* micro_tile_f32, micro_tile_f64: a tile of C of whole vectors: C = A B + added, where every `chain` of the depth is a
 * chain of its own. */
static void NAME(micro_tile)(const NAME(microkernel) *kernel, size_t rows, size_t vectors, size_t depth, size_t chain,
                             NAME(micro_panels) a, NAME(micro_panels) b, NAME(matrix) added, NAME(matrix) c)
{
    for (size_t p = 0; p < depth; p += chain, added = c)
        kernel->run(rows, vectors, least(depth - p, chain), a.data + (ptrdiff_t)p * a.along, a.across, a.along,
                    b.data + (ptrdiff_t)p * b.along, b.along, added.data, added.row, added.column, c.data, c.row);
}

/* copy_f32, copy_f64 (inline, for a small tile is not worth a call) */
static inline void NAME(copy)(size_t rows, size_t columns, NAME(matrix) from, NAME(matrix) to)
{
    for (size_t run; columns; columns -= run, from = NAME(at)(from, 0, run), to = NAME(at)(to, 0, run)) {
        run = columns;
        NAME(matrix) x = NAME(run_of_places)(from, &run), y = NAME(run_of_places)(to, &run);
        int in_rows = x.column == 1 && y.column == 1;
        for (size_t i = 0; in_rows && i < rows; i++)
            memcpy(NAME(at)(y, i, 0).data, NAME(at)(x, i, 0).data, run * sizeof(REAL));
        for (size_t i = 0; !in_rows && i < rows; i++)
            for (size_t j = 0; j < run; j++)
                y.data[(ptrdiff_t)i * y.row + (ptrdiff_t)j * y.column] = x.data[(ptrdiff_t)i * x.row + (ptrdiff_t)j * x.column];
    }
}

/* tile_by_copy_f32, tile_by_copy_f64: a tile that is not whole vectors in a row; a copy of it is made. */
static void NAME(tile_by_copy)(const NAME(microkernel) *kernel, size_t rows, size_t columns, size_t depth, size_t chain,
                               NAME(micro_panels) a, NAME(micro_panels) b, NAME(matrix) added, NAME(matrix) c)
{
    REAL numbers[LARGEST_TILE];
    size_t vectors = (columns + kernel->lanes - 1) / kernel->lanes;
    NAME(matrix) tile = {numbers, (ptrdiff_t)(vectors * kernel->lanes), 1, NULL, 0};
    int constant = added.column == 0 && !added.of; /* along each row, or nothing */
    if (!constant) {
        memset(numbers, 0, rows * vectors * kernel->lanes * sizeof(REAL));
        NAME(copy)(rows, columns, added, tile);
    }
    NAME(micro_tile)(kernel, rows, vectors, depth, chain, a, b, constant ? added : tile, tile);
    NAME(copy)(rows, columns, tile, c);
}

/* prefetch_f32, prefetch_f64: asks for the next tile of a row-major C, while this one is made, to write it. */
static void NAME(prefetch)(NAME(matrix) c, size_t rows, size_t columns)
{
    for (size_t j = 0; j < columns; j += CACHE_LINE / sizeof(REAL))
        for (size_t i = 0; i < rows; i++)
            __builtin_prefetch(c.data + (ptrdiff_t)i * c.row + (ptrdiff_t)j, 1);
}

/* row_of_tiles_f32, row_of_tiles_f64: a micro-panel of A meets those of a group of B: at most mr rows of C, a tile at
 * a time. `below` rows of C come next. */
static void NAME(row_of_tiles)(NAME(product) x, size_t below, size_t chain, NAME(micro_panels) a, NAME(micro_panels) b)
{
    const NAME(microkernel) *kernel = x.kernel;
    /* The usual case in few words, for a tile may be short: whole vectors of row-major matrices, and one chain. */
    int in_rows = x.c.column == 1 && !x.c.of, usual = in_rows && !x.added.of && (size_t)x.added.column <= 1 && x.k <= chain;
    for (size_t j = 0; j < x.n; j += b.width, b.data += b.next) {
        size_t width = least(x.n - j, b.width), next = j + b.width, run = width;
        if (in_rows && next < x.n)
            NAME(prefetch)(NAME(at)(x.c, 0, next), x.m, least(x.n - next, b.width));
        else if (in_rows && below)
            NAME(prefetch)(NAME(at)(x.c, x.m, 0), below, least(x.n, b.width));
        if (usual && width % kernel->lanes == 0) {
            kernel->run(x.m, width / kernel->lanes, x.k, a.data, a.across, a.along, b.data, b.along,
                        x.added.data + (ptrdiff_t)j * x.added.column, x.added.row, x.added.column, x.c.data + j, x.c.row);
            continue;
        }
        NAME(matrix) added = NAME(at)(x.added, 0, j), c = NAME(at)(x.c, 0, j);
        NAME(matrix) to = NAME(run_of_places)(c, &run), from = NAME(run_of_places)(added, &run);
        if (to.column == 1 && (from.column == 0 || from.column == 1) && run == width && width % kernel->lanes == 0)
            NAME(micro_tile)(kernel, x.m, width / kernel->lanes, x.k, chain, a, b, from, to);
        else
            NAME(tile_by_copy)(kernel, x.m, width, x.k, chain, a, b, added, c);
    }
}

/* macro_kernel_f32, macro_kernel_f64: a block of A times a panel of B. */
static void NAME(macro_kernel)(NAME(product) x, const plan *p, NAME(micro_panels) a, REAL *packed_b)
{
    size_t lanes = x.kernel->lanes;
    for (size_t jr = 0, width; jr < x.n; jr += width) { /* 2nd loop: groups of micro-panels of B */
        width = least(x.n - jr, p->group);
        int in_place = p->pack_b == IN_PLACE && width >= lanes;
        if (in_place)
            width -= width % lanes; /* the rest is a group of its own, packed to be filled up with zeros */
        NAME(product) group = NAME(columns)(x, jr, width);
        NAME(micro_panels) left = a, b = p->pack_b == PANELS
            ? NAME(packed)(packed_b + jr * x.k, x.k, p->nr)
            : NAME(pack_b)(&group, block(width, p->nr, lanes), in_place, packed_b);
        for (size_t ir = 0; ir < x.m; ir += p->mr, left.data += left.next) { /* 1st loop: micro-panels of A */
            NAME(product) row = NAME(rows)(group, ir, p->mr);
            NAME(row_of_tiles)(row, least(x.m - ir - row.m, p->mr), p->chain, left, b);
        }
    }
}

/* five_loops_f32, five_loops_f64: the whole, in one thread. */
static int NAME(five_loops)(const NAME(product) *x)
{
    plan p = NAME(plan_for)(x);
    void *memory = malloc((p.b_size + p.a_size) * sizeof(REAL) + CACHE_LINE);
    if (!memory)
        return -1;
    /* From the beginning of a cache line, so that no vector of B straddles two. */
    REAL *packed_b = (REAL *)(((uintptr_t)memory + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE), *packed_a = packed_b + p.b_size;

    for (size_t jc = 0; jc < x->n; jc += p.nc) /* 5th loop: columns of B and C */
        for (size_t pc = 0; pc < x->k; pc += p.kc) { /* 4th loop: the depth */
            NAME(product) panel = NAME(depth)(NAME(columns)(*x, jc, p.nc), pc, p.kc);
            if (p.pack_b == PANELS)
                NAME(pack_b)(&panel, p.nr, 0, packed_b);
            for (size_t ic = 0; ic < x->m; ic += p.mc) { /* 3rd loop: rows of A and C */
                NAME(product) rows = NAME(rows)(panel, ic, p.mc);
                NAME(macro_kernel)(rows, &p, NAME(pack_a)(&rows, &p, packed_a), packed_b);
            }
        }
    free(memory);
    return 0;
}

/* one_row_f32, one_row_f64: one row times contiguous columns of B: C = A B + added. */
static int NAME(one_row)(const NAME(product) *x)
{
    NAME(matrix) added = x->added, c = x->c;
    x->kernel->dots(x->n, x->k, x->a.data, x->b.data, x->b.column, c.data, c.column);
    for (size_t j = 0; added.data && j < x->n; j++)
        *NAME(at)(c, 0, j).data += *NAME(at)(added, 0, j).data;
    return 0;
}

/* by_halves_f32, by_halves_f64: makes a product in one thread. A long depth is cut in halves, and these again: so the
 * error of a sum over k numbers grows like log k. */
static int NAME(by_halves)(const NAME(product) *x)
{
    if (x->k <= LONGEST)
        return x->dots ? NAME(one_row)(x) : NAME(five_loops)(x);

    size_t half = half_of(x->k);
    NAME(product) first = NAME(depth)(*x, 0, half), second = NAME(depth)(*x, half, x->k);
    second.added = (NAME(matrix)){0};
    second.c = (NAME(matrix)){malloc(x->m * x->n * sizeof(REAL)), (ptrdiff_t)x->n, 1, NULL, 0};
    int failed = !second.c.data || NAME(by_halves)(&first) || NAME(by_halves)(&second);
    for (size_t i = 0; !failed && i < x->m; i++)
        for (size_t j = 0; j < x->n; j++)
            *NAME(element)(x->c, i, j) += *NAME(element)(second.c, i, j);
    free(second.c.data);
    return failed;
}

/* by_rows_f32, by_rows_f64: some rows of C, where it has more of them than columns, or some columns: threads share
 * these out, never a sum, so that the bits do not depend on how many there are. */
static int NAME(by_rows)(const NAME(product) *x)
{
    return x->m >= x->n;
}

/* make_part_f32, make_part_f64 */
static void NAME(make_part)(const void *job, size_t begin, size_t end)
{
    const NAME(product) *x = job;
    NAME(product) part = NAME(by_rows)(x) ? NAME(rows)(*x, begin, end - begin) : NAME(columns)(*x, begin, end - begin);
    if (NAME(by_halves)(&part))
        *x->failed = 1;
}

/* cost_f32, cost_f64: what it costs, in steps of the micro-kernel, to make C with B (k x n) in vectors: products,
 * packing B, and scattering C. */
static double NAME(cost)(size_t lanes, size_t m, size_t n, size_t k, ptrdiff_t b_column, ptrdiff_t c_column)
{
    size_t vectors = (n + lanes - 1) / lanes;
    return (double)m * (double)vectors * (double)k + (b_column == 1 ? 0 : 6.0 * (double)vectors * (double)k)
        + (c_column == 1 ? 0 : 3.0 * (double)m * (double)n);
}

/* shared_out_f32, shared_out_f64 */
static int NAME(shared_out)(NAME(product) x)
{
    _Atomic int failed = 0;
    x.failed = &failed;
    for (size_t i = 0; x.k == 0 && i < x.m; i++)
        for (size_t j = 0; j < x.n; j++)
            *NAME(element)(x.c, i, j) = x.added.data ? *NAME(element)(x.added, i, j) : 0;
    int rows = NAME(by_rows)(&x);
    if (x.m && x.n && x.k)
        threads_deal(rows ? x.m : x.n, rows ? x.kernel->mr : x.kernel->lanes, 1 + x.m * x.n * x.k / WORK_PER_THREAD,
                     NAME(make_part), &x);
    return failed ? -1 : 0;
}

/* multiply_f32, multiply_f64 */
int NAME(multiply)(size_t m, size_t n, size_t k, NAME(matrix) a, NAME(matrix) b, NAME(matrix) added, NAME(matrix) c)
{
    return NAME(shared_out)((NAME(product)){m, n, k, a, b, added, c, isa_current()->NAME(microkernel), 0, NULL});
}

/* matmul_f32, matmul_f64 */
int NAME(matmul)(size_t m, size_t n, size_t k, const REAL *a, ptrdiff_t a_row, ptrdiff_t a_column, const REAL *b,
                 ptrdiff_t b_row, ptrdiff_t b_column, const REAL *bias, REAL *c, ptrdiff_t c_row, ptrdiff_t c_column)
{
    const NAME(microkernel) *kernel = isa_current()->NAME(microkernel);
    NAME(product) x = {m, n, k, {(REAL *)a, a_row, a_column, NULL, 0}, {(REAL *)b, b_row, b_column, NULL, 0},
        {(REAL *)bias, 0, bias != NULL, NULL, 0}, {c, c_row, c_column, NULL, 0}, kernel, 0, NULL};
    /* One row stays one row, and one column becomes one, on every instruction set: `dots` has bits of its own. */
    if (n == 1 || (m > 1 && NAME(cost)(kernel->lanes, n, m, k, a_row, c_row) < NAME(cost)(kernel->lanes, m, n, k, b_column, c_column)))
        x = (NAME(product)){n, m, k, NAME(transposed)(x.b), NAME(transposed)(x.a), NAME(transposed)(x.added),
            NAME(transposed)(x.c), kernel, 0, NULL}; /* C^T = B^T A^T */
    x.dots = x.m == 1 && x.a.column == 1 && x.b.row == 1 && (x.b.column != 1 || x.n == 1);
    return NAME(shared_out)(x);
}

#undef SUFFIX
#undef REAL
