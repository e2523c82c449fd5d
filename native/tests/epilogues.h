/* epilogues.h: every epilogue that there is, with random arrays, and its outputs by an obvious loop over known sums. */
#ifndef ONEBIT_TESTS_EPILOGUES_H
#define ONEBIT_TESTS_EPILOGUES_H

#include <math.h>

#include "check.h"

/* int32, bits, then {float, float and bits} x {no activation, clamp, prelu} x {no residual, first, last}. */
enum { EPILOGUE_INT32, EPILOGUE_BITS, EPILOGUE_FLOATS, EPILOGUES = EPILOGUE_FLOATS + 2 * 3 * 3 };

typedef struct epilogues {
    int64_t m, n;
    const int32_t *sums; /* (m, n): the truth */
    float *scale, *bias, *low, *high, *slope, *residual, *float_threshold;
    int32_t *threshold;
    int8_t *direction;
} epilogues;

static inline ob_epilogue epilogue_of(const epilogues *p, int variant, void *bits) {
    ob_epilogue e = {.output = variant == EPILOGUE_INT32 ? OB_OUTPUT_INT32 : OB_OUTPUT_BITS,
                     .scale = p->scale,
                     .bias = p->bias,
                     .threshold = p->threshold,
                     .direction = p->direction};
    if (variant < EPILOGUE_FLOATS) return e;
    const int steps = (variant - EPILOGUE_FLOATS) / 2;
    e.output = variant % 2 ? OB_OUTPUT_FLOAT_BITS : OB_OUTPUT_FLOAT;
    e.activation = steps / 3;
    e.low = p->low, e.high = p->high, e.slope = p->slope, e.float_threshold = p->float_threshold;
    if (steps % 3) e.residual = p->residual, e.residual_last = steps % 3 == 2;
    e.bits = bits;
    return e;
}

/* The definition of onebit.h. Volatile: every result is rounded to float before it is used. */
static inline float float_of(const ob_epilogue *e, int64_t n, int64_t i, int64_t j, int32_t y) {
    volatile float f = (float)y * e->scale[j];
    f = f + e->bias[j];
    if (e->residual && !e->residual_last) f = f + e->residual[i * n + j];
    if (e->activation == OB_ACTIVATION_CLAMP && f < e->low[j]) f = e->low[j];
    if (e->activation == OB_ACTIVATION_CLAMP && f > e->high[j]) f = e->high[j];
    if (e->activation == OB_ACTIVATION_PRELU && !(f > 0)) f = e->slope[j] * f;
    if (e->residual && e->residual_last) f = f + e->residual[i * n + j];
    return f;
}

static inline float draw_float(uint64_t *seed, float unit) {
    return (float)(int32_t)draw(seed) / unit;
}

/* Thresholds at which many results lie exactly, and those that none reaches. */
static inline void epilogues_draw(epilogues *p, uint64_t *seed) {
    const size_t n = (size_t)p->n, m = (size_t)p->m;
    float **arrays[] = {&p->scale, &p->bias, &p->low, &p->high, &p->slope, &p->float_threshold};
    for (size_t a = 0; a < sizeof arrays / sizeof *arrays; a++) *arrays[a] = malloc(n * 4);
    p->threshold = malloc(n * 4), p->direction = malloc(n), p->residual = malloc(m * n * 4 + 1);
    for (size_t i = 0; i < m * n; i++) p->residual[i] = draw(seed) % 40 ? draw_float(seed, 5e6f) : -0.0f;
    if (m > 0) p->residual[draw(seed) % (m * n)] = NAN;
    for (size_t j = 0; j < n; j++) {
        p->scale[j] = draw_float(seed, 3e7f), p->bias[j] = draw(seed) % 4 ? draw_float(seed, 7e6f) : -0.0f;
        p->low[j] = draw(seed) % 3 ? draw_float(seed, 2e7f) : 0.0f;
        p->high[j] = draw(seed) % 3 ? p->low[j] + (float)(draw(seed) % 200) : INFINITY;
        p->slope[j] = draw_float(seed, 2e9f);
        p->direction[j] = draw(seed) % 2 ? 1 : -1;
        const size_t i = m ? draw(seed) % m : 0;
        const int32_t y = m ? p->sums[i * n + j] : 0; /* ties are likely */
        const int32_t choices[8] = {y, y, y + 1, y - 1, 0, INT32_MIN, INT32_MAX, (int32_t)draw(seed)};
        p->threshold[j] = choices[draw(seed) % 8];
        const ob_epilogue e = epilogue_of(p, EPILOGUE_FLOATS + (int)(draw(seed) % (EPILOGUES - EPILOGUE_FLOATS)), NULL);
        const float f = m ? float_of(&e, p->n, (int64_t)i, (int64_t)j, y) : 0;
        const float float_choices[8] = {f, f, nextafterf(f, INFINITY), nextafterf(f, -INFINITY), 0, -INFINITY, NAN, 1};
        p->float_threshold[j] = float_choices[draw(seed) % 8];
    }
}

static inline void epilogues_free(epilogues *p) {
    free(p->scale), free(p->bias), free(p->low), free(p->high), free(p->slope), free(p->residual);
    free(p->float_threshold), free(p->threshold), free(p->direction);
}

static inline size_t out_bytes(const epilogues *p, const ob_epilogue *e) {
    return (size_t)p->m * (e->output == OB_OUTPUT_BITS ? (size_t)words_of(p->n) * 8 : (size_t)p->n * 4);
}

static inline size_t bits_bytes(const epilogues *p, const ob_epilogue *e) {
    return e->output == OB_OUTPUT_FLOAT_BITS ? (size_t)p->m * (size_t)words_of(p->n) * 8 : 0;
}

static inline void expect(const epilogues *p, const ob_epilogue *e, unsigned char *out, unsigned char *bits) {
    const int64_t words = words_of(p->n);
    memset(out, 0, out_bytes(p, e)), memset(bits, 0, bits_bytes(p, e));
    for (int64_t i = 0; i < p->m; i++)
        for (int64_t j = 0; j < p->n; j++) {
            const int32_t y = p->sums[i * p->n + j], t = p->threshold[j];
            const unsigned char bit = (unsigned char)(1 << j % 8);
            if (e->output == OB_OUTPUT_INT32) memcpy(out + (i * p->n + j) * 4, &y, 4);
            if (e->output == OB_OUTPUT_BITS && !(e->direction[j] == 1 ? y >= t : y <= t))
                out[i * words * 8 + j / 8] |= bit;
            if (e->output == OB_OUTPUT_INT32 || e->output == OB_OUTPUT_BITS) continue;
            const float f = float_of(e, p->n, i, j, y), s = p->float_threshold[j];
            memcpy(out + (i * p->n + j) * 4, &f, 4);
            if (e->output == OB_OUTPUT_FLOAT_BITS && (e->direction[j] == 1 ? f < s : f > s))
                bits[i * words * 8 + j / 8] |= bit;
        }
}

/* Byte for byte, but for NaN, whose bytes are not defined. */
static inline int same_numbers(const ob_epilogue *e, const unsigned char *got, const unsigned char *expected,
                               size_t bytes) {
    if (e->output == OB_OUTPUT_INT32 || e->output == OB_OUTPUT_BITS) return !memcmp(got, expected, bytes);
    for (size_t i = 0; i < bytes; i += 4) {
        float a, b;
        memcpy(&a, got + i, 4), memcpy(&b, expected + i, 4);
        if (isnan(a) ? !isnan(b) : memcmp(got + i, expected + i, 4)) return 0;
    }
    return 1;
}

/* Runs an operator through one epilogue; every byte that it may write stands between guards. */
typedef ob_status run_epilogue(void *context, const ob_epilogue *e, void *out);
static inline void check_epilogue(const epilogues *p, int variant, run_epilogue *run, void *context, const char *what) {
    ob_epilogue e = epilogue_of(p, variant, NULL);
    const size_t bytes = out_bytes(p, &e), more = bits_bytes(p, &e);
    guarded out = guarded_new(bytes), bits = guarded_new(more);
    unsigned char *expected = malloc(bytes + 1), *expected_bits = malloc(more + 1);
    expect(p, &e, expected, expected_bits);
    e.bits = more || !p->m ? bits.data : NULL;
    const ob_status status = run(context, &e, out.data);
    CHECK(status == OB_OK, "%s: %s", ob_status_text(status), what);
    CHECK(same_numbers(&e, out.data, expected, bytes), "epilogue %d, %s", variant, what);
    CHECK(!memcmp(bits.data, expected_bits, more), "bits of epilogue %d, %s", variant, what);
    CHECK(guarded_intact(&out) && guarded_intact(&bits), "epilogue %d wrote outside, %s", variant, what);
    free(expected), free(expected_bits), free(out.all), free(bits.all);
}

#endif
