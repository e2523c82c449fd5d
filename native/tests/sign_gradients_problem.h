/* sign_gradients_problem.h: operands of ob_sign_gradients, and both gradients by onebit.h's definition. */
#ifndef ONEBIT_TESTS_SIGN_GRADIENTS_PROBLEM_H
#define ONEBIT_TESTS_SIGN_GRADIENTS_PROBLEM_H

#include <math.h>

#include "check.h"
#include "uniform.h"

typedef struct problem {
    ob_sign_gradients_call call;
    int64_t out_height, out_width;
    float *g, *x, *w; /* upstream, values */
    uint64_t *x_bits, *w_bits;
    float *x_expected, *w_expected;
    size_t x_count, w_count, g_count;
} problem;

static double whole(const ob_sign_gradients_call *c, const float *g, size_t index, float max) {
    const float by = max >= 1e-30f ? 127.0f / max : 0.0f, v = g[index] * by;
    if (!c->stochastic) return rint(v);
    const float sum = v + uniform(c->seed, (uint32_t)index);
    return fmin(floorf(sum), 127);
}

static float sign_of(float value) {
    return value < 0 ? -1.0f : 1.0f;
}

static float passed(const float *window, size_t at, double sum, float max) {
    return window && !(fabsf(window[at]) <= 1) ? 0.0f : (float)sum * (max / 127.0f);
}

/* The definition: both gradients, one product after the other. */
static void obvious(problem *p) {
    const ob_sign_gradients_call *c = &p->call;
    const size_t image = (size_t)(p->out_height * p->out_width * c->n);
    double *x_sums = calloc(p->x_count + 1, 8), *w_sums = calloc(p->w_count + 1, 8);
    float *of_picture = calloc((size_t)c->batch + 1, 4), *of_channel = calloc((size_t)c->n, 4);
    for (size_t i = 0; i < p->g_count; i++) {
        of_picture[i / image] = fmaxf(of_picture[i / image], fabsf(p->g[i]));
        of_channel[i % (size_t)c->n] = fmaxf(of_channel[i % (size_t)c->n], fabsf(p->g[i]));
    }
    size_t at = 0;
    for (int64_t b = 0; b < c->batch; b++)
        for (int64_t oy = 0; oy < p->out_height; oy++)
            for (int64_t ox = 0; ox < p->out_width; ox++)
                for (int64_t o = 0; o < c->n; o++, at++) {
                    const double for_x = whole(c, p->g, at, of_picture[b]), for_w = whole(c, p->g, at, of_channel[o]);
                    for (int64_t i = 0; i < c->kernel[0]; i++)
                        for (int64_t j = 0; j < c->kernel[1]; j++)
                            for (int64_t l = 0; l < c->c; l++) {
                                const int64_t y = oy * c->stride[0] + i * c->dilation[0] - c->padding[0];
                                const int64_t x = ox * c->stride[1] + j * c->dilation[1] - c->padding[2];
                                const size_t w_at = (size_t)(((o * c->kernel[0] + i) * c->kernel[1] + j) * c->c + l);
                                const int inside = y >= 0 && y < c->height && x >= 0 && x < c->width;
                                const size_t x_at = (size_t)(((b * c->height + y) * c->width + x) * c->c + l);
                                w_sums[w_at] += for_w * (inside ? sign_of(p->x[x_at]) : (float)c->pad_value);
                                if (inside) x_sums[x_at] += for_x * sign_of(p->w[w_at]);
                            }
                }
    for (size_t i = 0; i < p->x_count; i++)
        p->x_expected[i] = passed(c->x_window, i, x_sums[i], of_picture[i / (size_t)(c->height * c->width * c->c)]);
    for (size_t i = 0; i < p->w_count; i++)
        p->w_expected[i] =
            passed(c->w_window, i, w_sums[i], of_channel[i / (size_t)(c->kernel[0] * c->kernel[1] * c->c)]);
    free(x_sums), free(w_sums), free(of_picture), free(of_channel);
}

static float *draw_floats(size_t count, float scale, uint64_t *seed) {
    float *values = malloc(count * 4 + 4);
    for (size_t i = 0; i < count; i++) {
        values[i] = ((float)(draw(seed) >> 40) / 8388608.0f - 1.0f) * scale;
        if (draw(seed) % 8 == 0) values[i] = draw(seed) % 2 ? 1.0f : 0.0f;
    }
    return values;
}

static uint64_t *pack(const float *values, size_t rows, int64_t c) {
    const size_t words = (size_t)words_of(c);
    uint64_t *bits = calloc(rows * words + 1, 8);
    for (size_t row = 0; row < rows; row++)
        for (int64_t l = 0; l < c; l++)
            bits[row * words + (size_t)l / 64] |= (uint64_t)(values[row * (size_t)c + (size_t)l] < 0) << l % 64;
    return bits;
}

static int64_t outputs(int64_t size, const ob_sign_gradients_call *c, int d) {
    return (size + c->padding[2 * d] + c->padding[2 * d + 1] - c->dilation[d] * (c->kernel[d] - 1) - 1) / c->stride[d] +
           1;
}

static problem problem_of(ob_sign_gradients_call c, uint64_t seed) {
    problem p = {.call = c, .out_height = outputs(c.height, &c, 0), .out_width = outputs(c.width, &c, 1)};
    const size_t x_rows = (size_t)(c.batch * c.height * c.width), w_rows = (size_t)(c.n * c.kernel[0] * c.kernel[1]);
    p.x_count = x_rows * (size_t)c.c, p.w_count = w_rows * (size_t)c.c;
    p.g_count = (size_t)(c.batch * p.out_height * p.out_width * c.n);
    p.g = draw_floats(p.g_count, draw(&seed) % 4 ? 3e-4f : 50.0f, &seed);
    p.x = draw_floats(p.x_count, 1.5f, &seed), p.w = draw_floats(p.w_count, 1.2f, &seed);
    p.x_bits = pack(p.x, x_rows, c.c), p.w_bits = pack(p.w, w_rows, c.c);
    p.x_expected = malloc(p.x_count * 4 + 4), p.w_expected = malloc(p.w_count * 4 + 4);
    p.call.upstream = p.g, p.call.x = p.x_bits, p.call.w = p.w_bits;
    p.call.x_window = draw(&seed) % 2 ? p.x : NULL, p.call.w_window = draw(&seed) % 2 ? p.w : NULL;
    p.call.stochastic = (int32_t)(draw(&seed) % 2), p.call.seed = (uint32_t)draw(&seed);
    obvious(&p);
    return p;
}

static void problem_free(problem *p) {
    free(p->g), free(p->x), free(p->w), free(p->x_bits), free(p->w_bits), free(p->x_expected), free(p->w_expected);
}

#endif
