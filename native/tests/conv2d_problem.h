/* conv2d_problem.h: one convolution with random operands and its true sums, from an obvious loop over numbers. */
#ifndef ONEBIT_TESTS_CONV2D_PROBLEM_H
#define ONEBIT_TESTS_CONV2D_PROBLEM_H

#include "epilogues.h"

enum { SIGNED = 2 };

typedef struct problem {
    ob_conv2d_call call;
    int u8; /* 0: x is bits, 1: bytes from 0 on, SIGNED: bytes from -128 on */
    int64_t out[2], m;
    void *x_memory;
    int32_t *sums; /* (m, n): the truth */
    epilogues all;
} problem;

static const char *text(const problem *p) {
    static char to[300];
    const ob_conv2d_call *c = &p->call;
    snprintf(to, sizeof to,
             "%s batch %d picture %dx%d c %d n %d kernel %dx%d stride %d %d pad %d %d %d %d value %d "
             "dilation %d %d groups %d multiplier %d offset %d",
             p->u8 == SIGNED ? "s8"
             : p->u8         ? "u8"
                             : "bits",
             (int)c->batch, (int)c->height, (int)c->width, (int)c->c, (int)c->n, c->kernel[0], c->kernel[1],
             c->stride[0], c->stride[1], c->padding[0], c->padding[1], c->padding[2], c->padding[3], c->pad_value,
             c->dilation[0], c->dilation[1], c->groups, c->multiplier, c->offset);
    return to;
}

/* The definition, on numbers: x (batch, height, width, c), w (n, kernel, kernel, c / groups). */
static void obvious_sums(const problem *p, const int *x, const int *w) {
    const ob_conv2d_call *q = &p->call;
    const int64_t group_c = q->c / q->groups, group_n = q->n / q->groups;
    int32_t *y = p->sums;
    for (int64_t b = 0; b < q->batch; b++)
        for (int64_t oy = 0; oy < p->out[0]; oy++)
            for (int64_t ox = 0; ox < p->out[1]; ox++)
                for (int64_t o = 0; o < q->n; o++, y++)
                    for (int64_t i = *y = 0; i < q->kernel[0]; i++)
                        for (int64_t j = 0; j < q->kernel[1]; j++)
                            for (int64_t l = 0; l < group_c; l++) {
                                const int64_t iy = oy * q->stride[0] - q->padding[0] + i * q->dilation[0];
                                const int64_t ix = ox * q->stride[1] - q->padding[2] + j * q->dilation[1];
                                const int inside = iy >= 0 && iy < q->height && ix >= 0 && ix < q->width;
                                const int64_t at = ((b * q->height + iy) * q->width + ix) * q->c;
                                const int value = inside ? x[at + o / group_n * group_c + l] : q->pad_value;
                                *y += value * w[((o * q->kernel[0] + i) * q->kernel[1] + j) * group_c + l];
                            }
}

static int *draw_weights(problem *p, uint64_t *seed) {
    ob_conv2d_call *c = &p->call;
    const int64_t group_c = c->c / c->groups, taps = (int64_t)c->kernel[0] * c->kernel[1], words = words_of(group_c);
    const size_t bytes = (size_t)(c->n * taps * words * 8);
    uint64_t *rows = malloc(bytes), *back = malloc(bytes);
    int *w = malloc((size_t)(c->n * taps * group_c) * sizeof *w);
    fill(rows, bytes, seed);
    if (draw(seed) % 4 == 0) memset(rows, 0, bytes); /* the largest sums */
    c->weights_bytes = ob_conv_weights_bytes(c->n, c->c, c->groups, c->kernel);
    void *weights = malloc(c->weights_bytes);
    ob_status status = ob_conv_weights_pack(rows, c->n, c->c, c->groups, c->kernel, weights, c->weights_bytes);
    CHECK(status == OB_OK, "%s: %s", ob_status_text(status), text(p));
    for (int64_t r = 0; group_c % 64 && r < c->n * taps; r++) /* stray tail bits above: they are dropped */
        rows[r * words + words - 1] &= ~(uint64_t)0 >> (64 - group_c % 64);
    for (int64_t r = 0; r < c->n * taps; r++)
        for (int64_t l = 0; l < group_c; l++) w[r * group_c + l] = rows[r * words + l / 64] >> l % 64 & 1 ? -1 : 1;
    status = ob_conv_weights_unpack(weights, c->weights_bytes, c->n, c->c, c->groups, c->kernel, back);
    CHECK(status == OB_OK && !memcmp(back, rows, bytes), "unpack inverts pack: %s", text(p));
    c->weights = weights;
    free(rows), free(back);
    return w;
}

/* Exactly the picture, no byte more; it may stand at an odd address. */
static int *draw_picture(problem *p, uint64_t *seed) {
    ob_conv2d_call *c = &p->call;
    const int64_t pixels = c->batch * c->height * c->width, words = words_of(c->c);
    const size_t bytes = (size_t)(pixels * (p->u8 ? c->c : words * 8)), shift = draw(seed) % 16;
    int *x = malloc((size_t)(pixels * c->c + 1) * sizeof *x);
    unsigned char *to = p->x_memory = malloc(bytes + shift + 1);
    c->x = to += shift;
    fill(to, bytes, seed);
    if (draw(seed) % 4 == 0) memset(to, 255, bytes);
    for (int64_t i = 0; i < pixels; i++)
        for (int64_t l = 0; l < (p->u8 ? c->c : words * 64); l++) {
            unsigned char *byte = to + i * words * 8 + l / 8;
            if (p->u8)
                x[i * c->c + l] =
                    c->multiplier * (to[i * c->c + l] - (p->u8 == SIGNED ? 2 * (to[i * c->c + l] & 128) : 0)) +
                    c->offset;
            else if (l < c->c)
                x[i * c->c + l] = *byte >> l % 8 & 1 ? -1 : 1;
            else
                *byte &= (unsigned char)~(1 << l % 8);
        }
    return x;
}

static problem problem_new(const ob_conv2d_call *call, int u8, uint64_t seed) {
    problem p = {.call = *call, .u8 = u8};
    const ob_status status = ob_conv2d_output(call, p.out);
    CHECK(status == OB_OK, "%s: %s", ob_status_text(status), text(&p));
    p.m = call->batch * p.out[0] * p.out[1];
    p.sums = malloc((size_t)(p.m * call->n + 1) * 4);
    int *w = draw_weights(&p, &seed), *x = draw_picture(&p, &seed);
    obvious_sums(&p, x, w);
    free(x), free(w);
    p.all = (epilogues){.m = p.m, .n = call->n, .sums = p.sums};
    epilogues_draw(&p.all, &seed);
    return p;
}

static void problem_free(problem *p) {
    free(p->x_memory), free((void *)p->call.weights), free(p->sums);
    epilogues_free(&p->all);
}

#endif
