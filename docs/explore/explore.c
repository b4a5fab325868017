/* explore.c: the engine of the explorer, compiled with csrc/ to WebAssembly by tools/explorer.py; the page has the controls.
 *
 * One network at a time: Linear, then BatchNorm1d and an activation where they are asked for, layer after layer, as
 * minidl's Sequential has them; the loss is the mean cross-entropy. It holds a data set, and each pass takes some of its
 * rows. Draws, sums and steps are csrc's own, called with what minidl calls them with, so that the numbers are Python's.
 * Leaves out what the numbers mean (network.mjs), how they are shown (page.mjs), and whatever checks an argument for a
 * reader: the page asks for what its controls allow, and for classes below the last layer's outputs. What fails here
 * (memory) returns 0 or NAN. */
#include "fused.h"
#include "isa.h"
#include "matmul.h"
#include "optim.h"
#include "sampling.h"
#include "threads.h"

#include <math.h>
#include <stdlib.h>

#define EXPORT(name) __attribute__((export_name(#name)))

/* There is one thread. */
void threads_set(size_t n)
{
    (void)n;
}

size_t threads_get(void)
{
    return 1;
}

void threads_deal(size_t n, size_t grain, size_t parts, void (*body)(const void *job, size_t begin, size_t end), const void *job)
{
    (void)grain, (void)parts;
    if (n)
        body(job, 0, n);
}

/* What a layer is initialized with: minidl.init's Constant(first), Uniform(first, second), Normal(first, second),
 * VarianceScaling(first, mode, distribution), whose mode is `second`: 0 for fan_in, 1 for fan_out, 2 for fan_avg; or
 * Orthogonal(first). */
enum { CONSTANT, UNIFORM, NORMAL, SCALED_NORMAL, SCALED_UNIFORM, SCALED_TRUNCATED, ORTHOGONAL };

/* The standard deviation of a standard normal that is cut at -+2, the probability beyond one of the two, and that between:
 * CUT_STD of minidl/init/distributions.py, and what minidl/random.py's _interval(-2, 2) gives. */
static const double CUT_STD = 0x1.c25e4b6dba981p-1, CUT_OFF = 0x1.74bcf82c9e000p-6, BETWEEN = 0x1.e8b4307d36000p-1;

/* A number of elements, its gradient and the momentum of it; they learn. */
typedef struct {
    size_t n;
    float *value, *gradient, *velocity;
} parameter;

enum { WEIGHT, BIAS, NORM_WEIGHT, NORM_BIAS, PARAMETERS };

/* x -> z = x W^T + b -> normed -> y = f(normed). Without batch norm `normed` is z, without an activation y is `normed`. */
typedef struct {
    size_t in, out;
    int activation; /* an elementwise_function, or -1 */
    parameter learned[PARAMETERS];
    float *z, *normed, *y, *mean, *var, *dz, *dnormed, *dy;
} layer;

enum { LAYERS = 64, MEMORY = 32 * LAYERS };

/* Of `rows` rows of data, at most `most` pass at a time; these are the `passing` ones from `first` on. */
static struct {
    size_t rows, inputs, most, first, passing, count, taken, steps;
    draw next;
    int failed;
    float *x, *p, *losses;
    ptrdiff_t *labels;
    layer layers[LAYERS];
    void *memory[MEMORY];
} net;

static void *take(size_t n, size_t size)
{
    void *memory = net.taken < MEMORY ? calloc(n, size) : NULL;
    if (memory)
        net.memory[net.taken++] = memory;
    else
        net.failed = 1;
    return memory;
}

static float *numbers(size_t n)
{
    return take(n, sizeof(float));
}

/* A new generator: what minidl's Generator(seed) begins with. */
static void seed_with(uint32_t low, uint32_t high)
{
    net.next = (draw){.key = {low, high}};
}

/* Forgets the network and begins another, whose weights will come from this seed. */
EXPORT(begin) int begin(size_t rows, size_t inputs, size_t most, uint32_t seed_low, uint32_t seed_high)
{
    while (net.taken)
        free(net.memory[--net.taken]);
    net.rows = rows, net.inputs = inputs, net.count = net.steps = 0, net.failed = 0;
    net.most = net.passing = most, net.first = 0;
    seed_with(seed_low, seed_high);
    net.x = numbers(rows * inputs);
    net.labels = take(rows, sizeof *net.labels);
    net.losses = numbers(most);
    return !net.failed;
}

/* Which rows pass from now on: n of them, at most as many as `begin` was told. */
EXPORT(take_rows) void take_rows(size_t first, size_t n)
{
    net.first = first, net.passing = n;
}

static parameter learned(size_t n)
{
    return (parameter){n, numbers(n), numbers(n), numbers(n)};
}

static void fill(parameter p, float value)
{
    for (size_t i = 0; i < p.n; i++)
        p.value[i] = value;
}

/* n rows of m numbers, made orthonormal in order by Gram and Schmidt's process; the second time removes what rounding left
 * in the first. */
static void orthonormalize(double *rows, size_t n, size_t m)
{
    for (size_t i = 0; i < 2 * n; i++) {
        double *row = rows + i % n * m, square = 0;
        for (size_t j = 0; j < i % n; j++) {
            double along = 0;
            for (size_t k = 0; k < m; k++)
                along += row[k] * rows[j * m + k];
            for (size_t k = 0; k < m; k++)
                row[k] -= along * rows[j * m + k];
        }
        for (size_t k = 0; k < m; k++)
            square += row[k] * row[k];
        for (size_t k = 0; k < m; k++)
            row[k] /= sqrt(square);
    }
}

/* As minidl/init/matrices.py has it, but for the order of the sums. */
static void initialize_orthogonal(parameter p, size_t in, size_t out, double gain)
{
    size_t n = in < out ? in : out, m = in < out ? out : in;
    distribution standard = {.low = -INFINITY, .high = INFINITY, .std = 1, .width = 1};
    double *rows = malloc(n * m * sizeof *rows);
    if (!rows) {
        net.failed = 1;
        return;
    }
    net.next.n = n * m;
    sample_normal_f64(net.next, standard, rows);
    net.next.position += 2 * n * m;
    orthonormalize(rows, n, m);
    for (size_t i = 0; i < out; i++)
        for (size_t j = 0; j < in; j++)
            p.value[i * in + j] = (float)(gain * rows[out <= in ? i * m + j : j * m + i]);
    free(rows);
}

/* As minidl/init/distributions.py has them; the fans are those of a linear layer. */
static void initialize(parameter p, size_t in, size_t out, int kind, double first, double second)
{
    distribution source = {.low = -INFINITY, .high = INFINITY, .width = 1};
    double fan = second == 0 ? (double)in : second == 1 ? (double)out : (double)(in + out) / 2;
    double std = sqrt(first / fan), bound = sqrt(3.0) * std;
    if (kind == CONSTANT) {
        fill(p, (float)first);
        return;
    }
    if (kind == ORTHOGONAL) {
        initialize_orthogonal(p, in, out, first);
        return;
    }
    net.next.n = p.n;
    if (kind == NORMAL || kind == SCALED_NORMAL) {
        source.mean = kind == NORMAL ? first : 0;
        source.std = kind == NORMAL ? second : std;
        sample_normal_f32(net.next, source, p.value);
    } else if (kind == SCALED_TRUNCATED) {
        source.std = std / CUT_STD;
        source.low = -2 * source.std, source.high = 2 * source.std;
        source.p_low = source.q_high = CUT_OFF, source.width = BETWEEN;
        sample_normal_f32(net.next, source, p.value);
    } else {
        source.low = kind == UNIFORM ? first : -bound;
        source.high = kind == UNIFORM ? second : bound;
        sample_uniform_f32(net.next, source, p.value);
    }
    net.next.position += p.n;
}

/* Appends a layer. `bias` is the number that its biases begin with; NAN for none. */
EXPORT(add) int add(size_t out, int activation, int batch_norm, double bias, int kind, double first, double second)
{
    if (net.count == LAYERS)
        return 0;
    size_t in = net.count ? net.layers[net.count - 1].out : net.inputs, n = net.most * out;
    layer *l = &net.layers[net.count];
    *l = (layer){.in = in, .out = out, .activation = activation};
    l->learned[WEIGHT] = learned(in * out);
    l->z = numbers(n), l->dz = numbers(n);
    l->normed = batch_norm ? numbers(n) : l->z, l->dnormed = batch_norm ? numbers(n) : l->dz;
    l->y = activation >= 0 ? numbers(n) : l->normed, l->dy = activation >= 0 ? numbers(n) : l->dnormed;
    if (!isnan(bias))
        l->learned[BIAS] = learned(out);
    if (batch_norm) {
        l->learned[NORM_WEIGHT] = learned(out), l->learned[NORM_BIAS] = learned(out);
        l->mean = numbers(out), l->var = numbers(out);
    }
    net.p = numbers(n); /* that of the last layer counts */
    if (net.failed)
        return 0;
    initialize(l->learned[WEIGHT], in, out, kind, first, second);
    fill(l->learned[BIAS], (float)bias);
    fill(l->learned[NORM_WEIGHT], 1);
    net.count++;
    return !net.failed;
}

static const float *input_of(size_t i)
{
    return i ? net.layers[i - 1].y : net.x + net.first * net.inputs;
}

/* What layer i makes of x, n rows: z, normed, y. By batch norm's statistics of these rows, or by those of the last ones. */
static int pass(layer *l, size_t n, const float *x, int training)
{
    parameter *of = l->learned;
    if (matmul_f32(n, l->out, l->in, x, (ptrdiff_t)l->in, 1, of[WEIGHT].value, 1, (ptrdiff_t)l->in, of[BIAS].value, l->z,
                   (ptrdiff_t)l->out, 1))
        return 0;
    if (l->mean)
        fused_batch_norm(&(batch_norm_job){n, l->out, 1, training, 1e-5, l->z, of[NORM_WEIGHT].value, of[NORM_BIAS].value, l->mean,
                                           l->var, l->normed}, 0);
    if (l->activation >= 0)
        fused_elementwise(&(elementwise_job){l->activation, n * l->out, l->activation == ELU ? 1 : 0.01, 1, l->normed, NULL, l->y}, 0);
    return 1;
}

/* The mean loss of the rows that pass. */
EXPORT(forward) double forward(void)
{
    for (size_t i = 0; i < net.count; i++)
        if (!pass(&net.layers[i], net.passing, input_of(i), 1))
            return NAN;
    const layer *last = &net.layers[net.count - 1];
    double total = 0;
    fused_cross_entropy(&(cross_entropy_job){net.passing, last->out, last->y, net.labels + net.first, net.p, net.losses}, 0);
    for (size_t i = 0; i < net.passing; i++)
        total += (double)net.losses[i];
    return (float)(total * (1 / (double)net.passing));
}

/* The class of the largest output for each of n points x, of any number, into `classes`. */
EXPORT(classify) int classify(size_t n, const float *x, uint8_t *classes)
{
    const layer *last = &net.layers[net.count - 1];
    for (size_t begin = 0; begin < n; begin += net.most) {
        size_t some = n - begin < net.most ? n - begin : net.most;
        for (size_t i = 0; i < net.count; i++)
            if (!pass(&net.layers[i], some, i ? net.layers[i - 1].y : x + begin * net.inputs, 0))
                return 0;
        for (size_t i = 0; i < some; i++) {
            const float *row = last->y + i * last->out;
            size_t best = 0;
            for (size_t j = 1; j < last->out; j++)
                best = row[j] > row[best] ? j : best;
            classes[begin + i] = (uint8_t)best;
        }
    }
    return 1;
}

/* What a backward function takes of its activation: the output for some, the input for others; see fused.h. */
static const float *remembered(const layer *l)
{
    int by_output = l->activation == TANH || l->activation == SIGMOID || l->activation == RELU;
    return by_output ? l->y : l->normed;
}

/* The gradients of all layers, after `forward`. */
EXPORT(backward) int backward(void)
{
    layer *last = &net.layers[net.count - 1];
    float one = 1;
    fused_cross_entropy_backward(&(cross_entropy_backward_job){net.passing, last->out, net.p, &one, 0, 1 / (double)net.passing,
                                                               net.labels + net.first, last->dy}, 0);
    for (size_t i = net.count; i--;) {
        layer *l = &net.layers[i];
        parameter *of = l->learned;
        ptrdiff_t in = (ptrdiff_t)l->in, out = (ptrdiff_t)l->out;
        if (l->activation >= 0)
            fused_elementwise(&(elementwise_job){l->activation + 1, net.passing * l->out, l->activation == ELU ? 1 : 0.01, 1,
                                                 remembered(l), l->dy, l->dnormed}, 0);
        if (l->mean)
            fused_batch_norm_backward(&(batch_norm_backward_job){net.passing, l->out, 1, 1, 1e-5, l->dnormed, l->z,
                                                                 of[NORM_WEIGHT].value, l->mean, l->var, l->dz, of[NORM_WEIGHT].gradient,
                                                                 of[NORM_BIAS].gradient}, 0);
        if (matmul_f32(l->out, l->in, net.passing, l->dz, 1, out, input_of(i), in, 1, NULL, of[WEIGHT].gradient, in, 1)) /* dy^T x */
            return 0;
        if (of[BIAS].n)
            fused_column_sums(&(column_sums_job){net.passing, l->out, 1, l->dz, of[BIAS].gradient}, 0);
        if (i && matmul_f32(net.passing, l->in, l->out, l->dz, out, 1, of[WEIGHT].value, in, 1, NULL, net.layers[i - 1].dy, in, 1))
            return 0;
    }
    return 1;
}

/* One step of SGD, after `backward`. */
EXPORT(step) void step(double lr, double momentum)
{
    for (size_t i = 0; i < net.count; i++)
        for (int j = 0; j < PARAMETERS; j++) {
            parameter *p = &net.layers[i].learned[j];
            optim_tensor tensor = {p->n, net.steps, p->value, p->gradient, {momentum ? p->velocity : NULL}};
            optim_sgd(&(optim_job){1, &tensor, .sgd = {.lr = lr, .momentum = momentum}}, 0);
        }
    net.steps++;
}

/* Where an array of layer i lies, as a float32 array: z, normed, y, dz, dnormed, dy of shape (most, out); then the values of
 * weight, bias, batch norm's weight and bias; then their gradients. NULL for what the layer does not have. */
EXPORT(array) const float *array(size_t i, int which)
{
    const layer *l = &net.layers[i];
    const float *signals[] = {l->z, l->normed, l->y, l->dz, l->dnormed, l->dy};
    if (which < 6)
        return signals[which];
    const parameter *p = &l->learned[(which - 6) % PARAMETERS];
    return which < 6 + PARAMETERS ? p->value : p->gradient;
}

/* Mean, standard deviation, least and largest of n numbers, and a histogram of them, in `shown`: four doubles. The counts
 * follow where `counts` says, as summary.h has them. */
EXPORT(summarize) void summarize(size_t n, const float *x, size_t bins, double *shown, int64_t *counts)
{
    summary s = summarize_f32(n, x, bins, counts);
    shown[0] = s.mean, shown[1] = s.std, shown[2] = s.low, shown[3] = s.high;
}

/* Room for `bytes`, until `begin` is called again. NULL if there is none. */
EXPORT(room) void *room(size_t bytes)
{
    return take(bytes, 1);
}

/* Where the inputs, rows x inputs of them, and the classes (ptrdiff_t) are to be put. */
EXPORT(inputs) float *inputs(void)
{
    return net.x;
}

EXPORT(labels) ptrdiff_t *labels(void)
{
    return net.labels;
}

/* The noise of a data set, drawn from a seed of its own. */
static double *noise_of(size_t n, double noise, uint32_t seed_low, uint32_t seed_high)
{
    double *out = take(n, sizeof *out);
    draw part = {{seed_low, seed_high}, 0, n};
    distribution source = {.low = -INFINITY, .high = INFINITY, .std = noise, .width = 1};
    if (out)
        sample_normal_f64(part, source, out);
    return out;
}

/* minidl.data.spirals, for rows = n_per_class classes. */
EXPORT(spirals) int spirals(size_t classes, double noise, uint32_t seed_low, uint32_t seed_high)
{
    size_t each = net.rows / classes;
    const double *turn = noise_of(net.rows, noise, seed_low, seed_high);
    for (size_t i = 0; turn && i < net.rows; i++) {
        size_t c = i / each;
        double radius = i % each == each - 1 && each > 1 ? 1 : (double)(i % each) * (1 / (double)(each > 1 ? each - 1 : 1));
        double angle = 2 * M_PI * (double)c / (double)classes + 4 * radius + turn[i];
        net.x[2 * i] = (float)(radius * cos(angle)), net.x[2 * i + 1] = (float)(radius * sin(angle));
        net.labels[i] = (ptrdiff_t)c;
    }
    return turn != NULL;
}

/* minidl.data.circles, for rows = 2 n_per_class. */
EXPORT(circles) int circles(double noise, double factor, uint32_t seed_low, uint32_t seed_high)
{
    size_t each = net.rows / 2;
    const double *off = noise_of(2 * net.rows, noise, seed_low, seed_high);
    for (size_t i = 0; off && i < net.rows; i++) {
        double angle = 2 * M_PI * (double)(i % each) / (double)each, radius = i < each ? 1 : factor;
        net.x[2 * i] = (float)(radius * cos(angle) + off[i]);
        net.x[2 * i + 1] = (float)(radius * sin(angle) + off[net.rows + i]);
        net.labels[i] = i >= each;
    }
    return off != NULL;
}
