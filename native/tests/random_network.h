/* random_network.h: networks of random operators on random values, and their values operator by operator. */
#ifndef ONEBIT_TESTS_RANDOM_NETWORK_H
#define ONEBIT_TESTS_RANDOM_NETWORK_H

#include <math.h>

#include "check.h"
#include "onebit_network.h"

enum { MOST_STEPS = 12, MOST_VALUES = 2 * MOST_STEPS + 1, MOST_CONSTANTS = 6 * MOST_STEPS };

typedef struct random_network {
    ob_value values[MOST_VALUES];
    int64_t height[MOST_VALUES], width[MOST_VALUES], bits[MOST_VALUES]; /* bits: K of words, else the last size */
    ob_step steps[MOST_STEPS];
    int64_t constant_bytes[MOST_CONSTANTS];
    void *constants[MOST_CONSTANTS];
    int32_t inputs[1], outputs[MOST_VALUES];
    ob_network of;
} random_network;

static inline int64_t bytes_of(const ob_value *v) {
    int64_t bytes = v->type == OB_TYPE_WORDS ? 8 : v->type == OB_TYPE_U8 || v->type == OB_TYPE_S8 ? 1 : 4;
    for (int d = 0; d < v->dims; d++) bytes *= v->sizes[d];
    return bytes;
}

static inline int32_t new_value(random_network *r, int32_t type, int64_t height, int64_t width, int64_t last) {
    const int32_t number = r->of.value_count++;
    r->height[number] = height, r->width[number] = width, r->bits[number] = last;
    r->values[number] = (ob_value){type, 3, {height, width, type == OB_TYPE_WORDS ? (last + 63) / 64 : last}};
    return number;
}

static inline int32_t new_constant(random_network *r, size_t bytes, uint64_t *seed) {
    const int32_t number = r->of.constant_count++;
    r->constant_bytes[number] = (int64_t)bytes;
    fill(r->constants[number] = malloc(bytes), bytes, seed);
    return number;
}

static inline int32_t new_floats(random_network *r, int64_t n, float unit, uint64_t *seed) {
    const int32_t number = new_constant(r, (size_t)n * 4, seed);
    for (int64_t i = 0; i < n; i++) ((float *)r->constants[number])[i] = (float)(int32_t)draw(seed) / unit;
    return number;
}

static inline int32_t new_directions(random_network *r, int64_t n, uint64_t *seed) {
    const int32_t number = new_constant(r, (size_t)n, seed);
    for (int64_t i = 0; i < n; i++) ((int8_t *)r->constants[number])[i] = draw(seed) % 2 ? 1 : -1;
    return number;
}

/* Thresholds near the middle of the sums of k signs, so that about half of the bits are 1. */
static inline int32_t new_thresholds(random_network *r, int64_t n, int64_t k, uint64_t *seed) {
    const int32_t number = new_constant(r, (size_t)n * 4, seed);
    const int32_t spread = (int32_t)sqrt((double)k) + 1;
    for (int64_t i = 0; i < n; i++)
        ((int32_t *)r->constants[number])[i] = (int32_t)(draw(seed) % (uint64_t)(2 * spread)) - spread;
    return number;
}

/* Few of them in most cases, so that there is something to add. */
static inline int64_t draw_channels(uint64_t *seed) {
    return draw(seed) % 4 ? (draw(seed) % 3 ? 64 : 70) : 1 + (int64_t)(draw(seed) % 140);
}

/* A value of floats of that shape, to be added. */
static inline int32_t find_residual(const random_network *r, int64_t height, int64_t width, int64_t n) {
    for (int32_t v = 0; v < r->of.value_count; v++)
        if (r->values[v].type == OB_TYPE_F32 && r->height[v] == height && r->width[v] == width && r->bits[v] == n)
            return v;
    return -1;
}

static inline void draw_epilogue(random_network *r, ob_step *s, int64_t n, int64_t k, int64_t h, int64_t w,
                                 uint64_t *seed) {
    static const int32_t kinds[] = {OB_OUTPUT_BITS, OB_OUTPUT_BITS, OB_OUTPUT_FLOAT_BITS, OB_OUTPUT_FLOAT,
                                    OB_OUTPUT_INT32};
    const int32_t output = s->epilogue.output = kinds[draw(seed) % 5];
    const int floats = output == OB_OUTPUT_FLOAT || output == OB_OUTPUT_FLOAT_BITS;
    if (output == OB_OUTPUT_BITS) s->arrays[OB_ARRAY_THRESHOLD] = new_thresholds(r, n, k, seed);
    if (output == OB_OUTPUT_BITS || output == OB_OUTPUT_FLOAT_BITS)
        s->arrays[OB_ARRAY_DIRECTION] = new_directions(r, n, seed);
    if (floats) {
        s->arrays[OB_ARRAY_SCALE] = new_floats(r, n, 3e9f, seed),
        s->arrays[OB_ARRAY_BIAS] = new_floats(r, n, 1e8f, seed);
        s->epilogue.activation = (int32_t)(draw(seed) % 3);
        s->epilogue.residual_last = (int32_t)(draw(seed) % 2);
        if (draw(seed) % 4) s->residual = find_residual(r, h, w, n);
    }
    if (s->epilogue.activation == OB_ACTIVATION_PRELU) s->arrays[OB_ARRAY_SLOPE] = new_floats(r, n, 4e9f, seed);
    if (s->epilogue.activation == OB_ACTIVATION_CLAMP) {
        s->arrays[OB_ARRAY_LOW] = new_floats(r, n, 1e9f, seed), s->arrays[OB_ARRAY_HIGH] = new_floats(r, n, 1e8f, seed);
    }
    if (output == OB_OUTPUT_FLOAT_BITS) s->arrays[OB_ARRAY_FLOAT_THRESHOLD] = new_floats(r, n, 1e9f, seed);
    s->out = new_value(r, output == OB_OUTPUT_BITS ? OB_TYPE_WORDS : floats ? OB_TYPE_F32 : OB_TYPE_S32, h, w, n);
    if (output == OB_OUTPUT_FLOAT_BITS) s->bits = new_value(r, OB_TYPE_WORDS, h, w, n);
}

static inline int input_kind(const random_network *r, int32_t x) {
    return r->values[x].type == OB_TYPE_WORDS ? 0 : r->values[x].type == OB_TYPE_U8 ? 1 : 2;
}

/* A dense layer over the last dimension, or over the whole picture where that has no gaps. */
static inline void draw_dense(random_network *r, ob_step *s, uint64_t *seed) {
    int64_t h = r->height[s->x], w = r->width[s->x], k = r->bits[s->x];
    const int whole = (input_kind(r, s->x) || k % 64 == 0) && draw(seed) % 4 == 0;
    if (whole) k *= h * w, h = w = 1;
    const int64_t n = draw_channels(seed);
    s->op = OB_STEP_DENSE + input_kind(r, s->x);
    s->call.dense = (ob_dense_call){.m = h * w, .n = n, .k = k};
    const size_t words = (size_t)n * (size_t)((k + 63) / 64);
    uint64_t *rows = malloc(words * 8);
    fill(rows, words * 8, seed);
    const int32_t c = s->arrays[OB_ARRAY_WEIGHTS] = new_constant(r, ob_weights_bytes(n, k), seed);
    CHECK(!ob_weights_pack(rows, n, k, r->constants[c], (size_t)r->constant_bytes[c]), "weights");
    free(rows);
    draw_epilogue(r, s, n, k, h, w, seed);
}

static inline void draw_conv2d(random_network *r, ob_step *s, uint64_t *seed) {
    const int64_t c = r->bits[s->x], n = draw_channels(seed);
    ob_conv2d_call *call = &s->call.conv2d;
    *call = (ob_conv2d_call){.batch = 1,
                             .height = r->height[s->x],
                             .width = r->width[s->x],
                             .c = c,
                             .n = n,
                             .groups = 1,
                             .pad_value = (int32_t)(draw(seed) % 3) - 1,
                             .multiplier = 2,
                             .offset = -255};
    for (int d = 0; d < 2; d++) {
        call->kernel[d] = 1 + (int32_t)(draw(seed) % 3), call->stride[d] = 1 + (int32_t)(draw(seed) % 2);
        call->dilation[d] = 1;
        call->padding[2 * d] = call->padding[2 * d + 1] = call->kernel[d] - 1; /* so that a window always fits */
    }
    if (draw(seed) % 3) /* the size stays */
        for (int i = 0; i < 4; i++) call->kernel[i / 2] = 3, call->stride[i / 2] = 1, call->padding[i] = 1;
    s->op = OB_STEP_CONV2D + input_kind(r, s->x);
    const size_t bytes = (size_t)(n * call->kernel[0] * call->kernel[1] * ((c + 63) / 64)) * 8;
    uint64_t *rows = malloc(bytes);
    fill(rows, bytes, seed);
    const int32_t w = s->arrays[OB_ARRAY_WEIGHTS] = new_constant(r, ob_conv_weights_bytes(n, c, 1, call->kernel), seed);
    CHECK(!ob_conv_weights_pack(rows, n, c, 1, call->kernel, r->constants[w], (size_t)r->constant_bytes[w]), "weights");
    free(rows);
    int64_t out[2];
    CHECK(!ob_conv2d_output(call, out), "a window fits");
    draw_epilogue(r, s, n, c * call->kernel[0] * call->kernel[1], out[0], out[1], seed);
}

static inline void draw_max_pool2d(random_network *r, ob_step *s, uint64_t *seed) {
    const int64_t c = r->bits[s->x];
    ob_max_pool2d_call *call = &s->call.max_pool2d;
    *call = (ob_max_pool2d_call){.batch = 1,
                                 .height = r->height[s->x],
                                 .width = r->width[s->x],
                                 .c = c,
                                 .kernel = {2, 2},
                                 .stride = {2, 1},
                                 .padding = {1, 1, 1, 1}};
    s->op = OB_STEP_MAX_POOL2D;
    if (draw(seed) % 2) {
        const int32_t minimum = s->arrays[OB_ARRAY_MINIMUM] = new_constant(r, (size_t)((c + 63) / 64) * 8, seed);
        uint64_t *words = r->constants[minimum];
        if (c % 64) words[c / 64] &= ~(uint64_t)0 >> (64 - c % 64);
    }
    int64_t out[2];
    CHECK(!ob_max_pool2d_output(call, out), "a window fits");
    s->out = new_value(r, OB_TYPE_WORDS, out[0], out[1], c);
}

static inline void draw_pack(random_network *r, ob_step *s, uint64_t *seed) {
    const int64_t c = r->bits[s->x];
    s->op = OB_STEP_PACK;
    s->call.pack = (ob_pack_call){.batch = r->height[s->x] * r->width[s->x],
                                  .places = 1,
                                  .c = c,
                                  .type = r->values[s->x].type,
                                  .layout = OB_CHANNELS_LAST};
    if (s->call.pack.type == OB_TYPE_U8 || draw(seed) % 2) {
        s->arrays[OB_ARRAY_FLOAT_THRESHOLD] = new_floats(r, c, 2e7f, seed);
        s->arrays[OB_ARRAY_DIRECTION] = new_directions(r, c, seed);
    }
    s->out = new_value(r, OB_TYPE_WORDS, r->height[s->x], r->width[s->x], c);
}

/* (h, w, last) -> (last, h, w), for words and all. */
static inline void draw_transpose(random_network *r, ob_step *s) {
    const int32_t type = r->values[s->x].type;
    const int64_t h = r->height[s->x], w = r->width[s->x], last = r->values[s->x].sizes[2];
    s->op = OB_STEP_TRANSPOSE;
    s->call.transpose = (ob_transpose_call){.rows = h * w, .columns = last, .type = type};
    s->out = new_value(r, type, last, h, type == OB_TYPE_WORDS ? 64 * w : w);
}

/* The bits of x and of other maps of its size. */
static inline void draw_join(random_network *r, ob_step *s, uint64_t *seed) {
    ob_join_call *c = &s->call.join;
    const int64_t h = r->height[s->x], w = r->width[s->x];
    int64_t total = 0;
    *c = (ob_join_call){.rows = h * w};
    for (int32_t v = s->x; c->count < 2 + (int32_t)(draw(seed) % 4); v = v > 1 ? v - 1 : s->x) {
        if (v != s->x &&
            (total + r->bits[v] > 900 || r->values[v].type != OB_TYPE_WORDS || r->height[v] != h || r->width[v] != w))
            continue;
        c->parts[c->count] = v, c->bits[c->count++] = (int32_t)r->bits[v];
        total += r->bits[v];
    }
    s->op = OB_STEP_JOIN;
    s->out = new_value(r, OB_TYPE_WORDS, h, w, total);
}

/* One step on a value that is no sums: the last one mostly. */
static inline void draw_step(random_network *r, uint64_t *seed) {
    ob_step *s = &r->steps[r->of.step_count];
    *s = (ob_step){.x = r->of.value_count - 1, .out = -1, .bits = -1, .residual = -1};
    for (int a = 0; a < OB_ARRAY_COUNT; a++) s->arrays[a] = -1;
    if (draw(seed) % 4 == 0) s->x = (int32_t)(draw(seed) % (uint64_t)r->of.value_count);
    while (r->values[s->x].type == OB_TYPE_S32) s->x--;
    const int32_t type = r->values[s->x].type;
    const int choice = (int)(draw(seed) % 10);
    if (choice == 5 && draw(seed) % 2)
        draw_transpose(r, s);
    else if (choice == 4 && type == OB_TYPE_WORDS && r->bits[s->x] <= 200)
        draw_join(r, s, seed);
    else if (type == OB_TYPE_F32 || (choice == 0 && type != OB_TYPE_WORDS))
        draw_pack(r, s, seed);
    else if (choice < 3)
        draw_dense(r, s, seed);
    else if (choice == 3 && type == OB_TYPE_WORDS)
        draw_max_pool2d(r, s, seed);
    else
        draw_conv2d(r, s, seed);
    r->of.step_count++;
}

/* Every value that nothing reads is an output, and some others. */
static inline void draw_outputs(random_network *r, uint64_t *seed) {
    char read[MOST_VALUES] = {1};
    for (int32_t i = 0; i < r->of.step_count; i++) {
        read[r->steps[i].x] = 1;
        if (r->steps[i].residual >= 0) read[r->steps[i].residual] = 1;
        for (int32_t p = 0; r->steps[i].op == OB_STEP_JOIN && p < r->steps[i].call.join.count; p++)
            read[r->steps[i].call.join.parts[p]] = 1;
    }
    for (int32_t v = 1; v < r->of.value_count; v++)
        if (!read[v] || draw(seed) % 6 == 0) r->outputs[r->of.output_count++] = v;
}

static inline random_network *random_network_new(uint64_t seed) {
    random_network *r = calloc(1, sizeof *r);
    static const int32_t types[] = {OB_TYPE_U8, OB_TYPE_S8, OB_TYPE_F32};
    new_value(r, types[draw(&seed) % 3], 1 + (int64_t)(draw(&seed) % 9), 1 + (int64_t)(draw(&seed) % 9),
              1 + (int64_t)(draw(&seed) % 130));
    const int steps = 1 + (int)(draw(&seed) % MOST_STEPS);
    for (int i = 0; i < steps; i++) draw_step(r, &seed);
    draw_outputs(r, &seed);
    r->of.values = r->values, r->of.steps = r->steps, r->of.constant_bytes = r->constant_bytes;
    r->of.inputs = r->inputs, r->of.outputs = r->outputs, r->of.input_count = 1;
    return r;
}

static inline void random_network_free(random_network *r) {
    for (int32_t c = 0; c < r->of.constant_count; c++) free(r->constants[c]);
    free(r);
}

#endif
