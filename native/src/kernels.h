/* kernels.h: what a kernel is given. Prototypes of all kernels come from kernels.def. */
#ifndef ONEBIT_KERNELS_H
#define ONEBIT_KERNELS_H

#include <stdint.h>
#include <string.h>

#include "onebit.h"
#include "sign_gradients/jobs.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "bytes of a row of bits are addressed one by one");

#define OB_INLINE static inline __attribute__((always_inline))

/* A pack after its checks. Row r of the output is place r % places of picture r / places. */
typedef struct ob_pack_job {
    int64_t c, places, words; /* words: ceil(c / 64) */
    int32_t type, layout;
    const unsigned char *x;
    const float *threshold; /* NULL: 0 and upwards for every channel */
    const int8_t *direction;
    int32_t drawn; /* a random threshold for every value */
    uint32_t seed;
    unsigned char *out;
} ob_pack_job;

/* A dense call after its checks. Rows of x, weights and out are addressed in bytes and may lie at any address. */
typedef struct ob_dense_job {
    int64_t n, k, words;          /* words: ceil(k / 64) */
    const unsigned char *x;       /* row i starts at x + i * x_bytes */
    const unsigned char *weights; /* [ceil(n / 8)][words][8] uint64: word w of 8 neighbouring channels is one line */
    unsigned char *out;           /* row i starts at out + i * out_bytes */
    int64_t x_bytes, out_bytes;
    const int32_t *base;  /* dense_u8: NULL, or what is added to the sum of each channel, n rounded up to 64 */
    ob_epilogue epilogue; /* int32, float or bits; the steps of floats come later: float_steps.h */
} ob_dense_job;

/* The part of the output that one task computes: rows x channels. `channel` is a multiple of 64 and `channels` too,
 * unless the part ends at n; a bits kernel then also clears the tail bits. So two parts never share a word. */
typedef struct ob_dense_part {
    int64_t row, rows, channel, channels;
} ob_dense_part;

/* Output places [places[0], places[1]) of one axis: taps [taps[0], taps[1]) of their windows are inside the picture. */
typedef struct ob_class {
    int32_t taps[2];
    int64_t places[2];
} ob_class;

/* A convolution after its checks. Its rows are output pixels: pixel (b, oy, ox) is row (b * out_height + oy) *
 * out_width + ox. Its window starts at dense.x + b * image_bytes + oy * stride_y + ox * stride_x in the padded picture;
 * all windows have their parts at the same distances from their start. Then y = factor * (the kernel's sum) +
 * base[(class_y[oy] + class_x[ox]) * base_step + channel] where the kernel's sum is popcount(x ^ w) or the sum of p *
 * w, with zeros outside of the picture. */
typedef struct ob_conv2d_job {
    ob_dense_job dense; /* k: taps * channels of a group; words: taps * slots; weights: see conv_weights.h */
    int64_t out_height, out_width;
    int64_t image_bytes, stride_y, stride_x;
    int64_t taps_y, taps_x, tap_y, tap_x; /* the kernel's size; tap (i, j) starts at i * tap_y + j * tap_x */
    int64_t pixel_words;                  /* ceil(c / 64) */
    int64_t group_c, group_n, slots;      /* channels of a group; words that the channels of one group touch, at most */
    int plain;            /* 16 neighbouring output channels always have one group, which has whole words */
    const int64_t *steps; /* if plain: where each word (conv2d) or each 4 bytes (conv2d_u8) of a window starts */
    int64_t step_count;
    const unsigned char *bytes; /* conv2d_u8, if plain: [ceil(n / 16)][steps][16][4] of +-unit, or 0 past a run */
    int32_t bytes_factor;       /* factor / unit */
    const int32_t *base;
    const int32_t *class_y, *class_x; /* class_y is multiplied by the number of horizontal classes */
    int64_t base_step;
    int32_t factor;
    /* leaves_out: dense.x is the first window's place in a picture without padding. The taps inside the picture are
     * classes_y x classes_x classes. What padding counts as is in one of these, or else nothing:
     *   based     bases: y = base - 2 * popcount over the taps inside
     *   outside   a row of `slots` words that stand in place of every tap outside */
    int leaves_out, based;
    const unsigned char *outside;
    int64_t classes_y, classes_x;
    const ob_class *inside_y, *inside_x;
} ob_conv2d_job;

typedef struct ob_max_pool2d_job {
    int64_t height, width, words, out_height, out_width;
    int64_t kernel[2], stride[2], top, left;
    const unsigned char *x, *minimum; /* minimum: `words` words, or NULL */
    unsigned char *out;
} ob_max_pool2d_job;

/* Rows [first, first + rows) of the output. */
typedef void ob_pack_kernel(const ob_pack_job *job, int64_t first, int64_t rows);
typedef void ob_unpack_kernel(const uint64_t *words, int64_t rows, int64_t k, float *x);
typedef void ob_dense_kernel(const ob_dense_job *job, const ob_dense_part *part);
typedef ob_dense_kernel ob_dense_u8_kernel;
typedef void ob_conv2d_kernel(const ob_conv2d_job *job, const ob_dense_part *part);
typedef ob_conv2d_kernel ob_conv2d_u8_kernel;
/* The steps of onebit.h behind y * scale + bias, on the part's floats in out (m, n); channels as in ob_dense_part. */
typedef void ob_float_steps_kernel(const ob_epilogue *epilogue, unsigned char *out, int64_t n,
                                   const ob_dense_part *part);
/* Output rows [row, row + rows) of the pictures of the batch, one below the other. */
typedef void ob_max_pool2d_kernel(const ob_max_pool2d_job *job, int64_t row, int64_t rows);

#define OB_KERNEL(op, isa, needs) ob_##op##_kernel ob_##op##_##isa;
#include "kernels.def"

OB_INLINE uint64_t ob_load_u64(const void *from) {
    uint64_t word;
    memcpy(&word, from, sizeof word);
    return word;
}

/* The line of 8 channels that starts at `channel`: word w of channel + c is uint64 number 8 * w + c. */
OB_INLINE const unsigned char *ob_group(const ob_dense_job *job, int64_t channel) {
    return job->weights + channel / 8 * job->words * 64;
}

#endif
