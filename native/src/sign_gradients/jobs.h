/* jobs.h: what the kernels of ob_sign_gradients are given (see sign_gradients.c for the way of the numbers).
 *
 * A panel holds 64 channels c of x or w as bytes, [quads][64][4]: 4 neighbouring terms of the sums are one 32-bit lane,
 * which is what vpdpbusd adds up. The other factor is bytes of the upstream gradient, 4 terms of a row at a time. */
#ifndef ONEBIT_SIGN_GRADIENTS_JOBS_H
#define ONEBIT_SIGN_GRADIENTS_JOBS_H

#include <stdint.h>

enum {
    OB_PANEL_CHANNELS = 64,
    OB_QUAD_BYTES = 4 * OB_PANEL_CHANNELS, /* of a panel: all its channels at 4 terms */
    OB_PANEL_ROWS = 4,                     /* rows that a kernel multiplies a panel by at once */
    OB_BLOCK_CHANNELS = 16,                /* channels n that stand together in bytes for w */
};

/* Quads whose products may be added up in 16 bits, two of every quad to a sum, whatever the bytes up to these are. */
static inline int64_t ob_short_quads(int64_t largest_unsigned, int64_t largest_signed) {
    return INT16_MAX / (2 * largest_unsigned * largest_signed);
}

/* The gradient as bytes, twice. Pictures: q + 128 at padded places. Blocks: q as [blocks][quads][16][4]. */
typedef struct ob_gradient_bytes_job {
    const float *g; /* (positions, n) */
    int64_t n, positions, picture_positions, width;
    const float *by_picture, *by_channel; /* 127 / max or 0; by_channel: n rounded up to 16, with zeros */
    unsigned char *pictures;              /* NULL: not wanted */
    int64_t picture_bytes, row_bytes, place_bytes;
    unsigned char *blocks; /* NULL: not wanted */
    int64_t block_bytes;
    int32_t stochastic;
    uint32_t seed;
} ob_gradient_bytes_job;

/* Rows of x's gradient: 4 * quads terms for each tap, times a panel of w for each. Sums get base, then * steps. */
typedef struct ob_gradient_x_job {
    const unsigned char *panel, *pictures;
    int64_t taps, quads, channels;  /* channels: of the panel, those that exist */
    int64_t short_quads;            /* ob_short_quads of both factors */
    const int64_t *tap_bytes;       /* tap t of row r starts at pictures + places[r] + tap_bytes[t] */
    const int64_t *places, *pixels; /* row r's floats start at number pixels[r] of window and out */
    const float *steps;             /* of each row */
    const int32_t *base;            /* 64 */
    const float *window;            /* NULL, or values: the gradient is 0 unless |value| <= 1 */
    float *out;
} ob_gradient_x_job;

/* Rows of w's gradient: channels n, 4 * quads terms times a panel of x. The sums of several calls add up in `out`. */
typedef struct ob_gradient_w_job {
    const unsigned char *panel, *blocks;               /* blocks: from the first quad of this call */
    int64_t quads, block_bytes, n, channels, out_step; /* out_step: from channel to channel n in out and window */
    int64_t short_quads;                               /* ob_short_quads of both factors */
    int32_t first, last;                               /* first: out holds nothing yet; last: out becomes floats */
    const int32_t *base;                               /* of each channel n, n rounded up to 16 */
    const float *steps;                                /* likewise */
    const float *window;
    unsigned char *out; /* int32 until the last call */
} ob_gradient_w_job;

/* largest[0] and largest_of[j]: the largest |g| of all rows and of channel j so far, as the bits of a float without its
 * sign, whose order is that of whole numbers; a NaN is above infinity. */
typedef void ob_gradient_maxima_kernel(const float *g, int64_t rows, int64_t n, int32_t *largest, int32_t *largest_of);
/* Quads [quad, quad + quads) of positions; sums (n rounded up to 16) gets the sums of q for w. */
typedef void ob_gradient_bytes_kernel(const ob_gradient_bytes_job *job, int64_t quad, int64_t quads, int32_t *sums);
/* A panel of bits: words[4 * q + i] is the word of term i of quad q, or NULL. fill: bytes for +1, -1 and NULL. */
typedef void ob_sign_panel_kernel(const unsigned char *const *words, int64_t quads, const signed char fill[3],
                                  unsigned char *panel);
typedef void ob_gradient_x_kernel(const ob_gradient_x_job *job, int64_t rows);
typedef void ob_gradient_w_kernel(const ob_gradient_w_job *job);

/* ---- gradients of which at most one of every 2 x 2 places is not 0: see pooled.c ---- */
enum {
    OB_SECOND,     /* b of the two values a, b of an axis */
    OB_SUM,        /* a + b */
    OB_DIFFERENCE, /* b - a */
    OB_FIRST,      /* a */
    OB_WINDOW_FACTORS,
    OB_WINDOW_PLANES = OB_WINDOW_FACTORS * OB_WINDOW_FACTORS, /* number: vertical factor * 4 + horizontal */
    OB_WINDOW_ZERO = 4,                                       /* stands for 0 in panels of x */
};

/* A row of windows: two rows of the gradient. */
typedef struct ob_window_row {
    const float *g;
    int64_t windows, n, row_values, place_bytes;
} ob_window_row;

/* The 9 taps of one channel n at up to 64 channels c. */
typedef struct ob_window_taps {
    const int32_t *sums; /* of 16 planes, each with base added */
    const int32_t *base; /* 16 */
    int64_t plane_step, channels, out_step;
    float step;
    const float *window;
    float *out;
} ob_window_taps;

typedef struct ob_window_steps {
    /* Windows of a row as (n) values and their places, 2 * row + column; not 0, and not all done, if a window has
     * several values. */
    int32_t (*take)(const ob_window_row *row, float *values, unsigned char *which);
    int32_t (*any)(const float *g, int64_t count);
    /* The largest value of each window of a row and its place. */
    void (*largest)(const ob_window_row *row, float *values, unsigned char *which);
    /* A plane of bytes q, in which `zero` (0 or 128) stands for 0. */
    void (*plane)(const unsigned char *q, const unsigned char *which, int64_t count, int64_t plane, int32_t zero,
                  unsigned char *out);
    /* Bytes of three taps a, b, c of w, as one factor of an axis meets them. */
    void (*weights)(const signed char *a, const signed char *b, const signed char *c, int64_t count, int64_t factor,
                    signed char *out);
    /* OB_WINDOW_ZERO + (in[0] +- in[1]) +- (in[2] +- in[3]); down, side: whether the sign is minus. */
    void (*inputs)(const signed char *const in[4], int64_t count, int32_t down, int32_t side, unsigned char *out);
    /* sums[j] += all q of channel j of one block. */
    void (*sums)(const unsigned char *blocks, int64_t quads, int32_t *sums);
    /* in[0] - in[1] + in[2] + sign * in[3], of whole panels of 64; finish_x: a quarter of it, times step, where the
     * window lets it pass. */
    void (*join)(const float *const in[4], int64_t count, float sign, float *out);
    void (*finish_x)(const float *const in[4], int64_t channels, float sign, float step, const float *window,
                     float *out);
    void (*finish_w)(const ob_window_taps *job);
} ob_window_steps;

typedef const ob_window_steps *ob_gradient_windows_kernel(void);

/* ---- sums of five terms at once, looked up: see lookup.c ---- */
enum {
    OB_LOOKUP_TERMS = 5,   /* of a table: the 32 sums that 5 terms make with any signs, 16 bits each, fill a vector */
    OB_LOOKUP_SUMS = 32,   /* of a table */
    OB_LOOKUP_LANES = 128, /* channels c whose sums stand in registers at once */
    OB_LOOKUP_MOST = 51,   /* sums of so many tables fit 16 bits: 51 * 5 * 127 < 2^15 */
    OB_LOOKUP_SPAN = 5,    /* quads of 4 tables of w: table i has quad i and position i of the fifth quad */
    OB_LOOKUP_ROWS = 6,    /* rows that a kernel looks up at once */
};

/* sums[r][lane] (+)= over taps t and groups f: tables[rows[r] + tap_at[t] + f][indices[t][f][lane]]. */
typedef struct ob_lookup_sums {
    const int16_t *tables;
    const int64_t *rows, *tap_at; /* numbers of tables */
    int64_t count, taps, groups;  /* count: of rows; taps * groups: OB_LOOKUP_MOST at most */
    const uint16_t *indices;
    int64_t lanes; /* 32 to OB_LOOKUP_LANES, by 32 */
    int32_t *sums; /* (count, lanes) */
    int32_t first; /* sums holds nothing yet */
} ob_lookup_sums;

/* A row of a gradient: (base + factor * the sums of all parts) * step where the window lets it pass. */
typedef struct ob_lookup_row {
    const int32_t *sums; /* part p's start at sums + p * part_step */
    int64_t parts, part_step, channels;
    int32_t base, factor;
    float step;
    const float *window;
    float *out;
} ob_lookup_row;

typedef struct ob_lookup_steps {
    /* Tables of `terms` bytes q + 128 at each of `count` places, five neighbours each, the last of fewer: sum i has -q
     * of term k if bit k of i is set, else q. */
    void (*neighbours)(const unsigned char *bytes, int64_t step, int64_t count, int64_t terms, int16_t *tables,
                       int64_t tables_step);
    /* Tables of a channel's bytes q in quads that are 64 bytes apart, by spans; past the end they are 0. Sum i has the
     * terms k whose bits are set. */
    void (*spans)(const unsigned char *quads, int64_t count, int16_t *tables);
    /* indices[f][lane]: bit k is that of channel `lane` in the words at starts[5 * f + k]. */
    void (*indices)(const unsigned char *words, const int32_t *starts, int64_t groups, int64_t lanes,
                    uint16_t *indices);
    void (*add)(const ob_lookup_sums *job);
    /* sums[j] += q of channel j of a block at positions of the quads list[i] / 16, which the other 4 bits choose. */
    void (*outside)(const unsigned char *quads, const int32_t *list, int64_t count, int32_t *sums);
    void (*finish)(const ob_lookup_row *row);
    int32_t quick; /* whether this is faster than products by the same instruction set */
} ob_lookup_steps;

typedef const ob_lookup_steps *ob_gradient_lookup_kernel(void);

#endif
