/* kernels.h: what a kernel is given. Prototypes of all kernels come from kernels.def. */
#ifndef ONEBIT_KERNELS_H
#define ONEBIT_KERNELS_H

#include <stdint.h>
#include <string.h>

#include "onebit.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "bytes of a row of bits are addressed one by one");

#define OB_INLINE static inline __attribute__((always_inline))

/* A dense call after its checks. Rows of x, weights and out are addressed in bytes and may lie at any address. */
typedef struct ob_dense_job {
    int64_t n, k, words;          /* words: ceil(k / 64) */
    const unsigned char *x;       /* row i starts at x + i * x_bytes */
    const unsigned char *weights; /* [ceil(n / 8)][words][8] uint64: word w of 8 neighbouring channels is one line */
    unsigned char *out;           /* row i starts at out + i * out_bytes */
    int64_t x_bytes, out_bytes;
    ob_epilogue epilogue;
} ob_dense_job;

/* The part of the output that one task computes: rows x channels. `channel` is a multiple of 64 and `channels` too,
 * unless the part ends at n; a bits kernel then also clears the tail bits. So two parts never share a word. */
typedef struct ob_dense_part {
    int64_t row, rows, channel, channels;
} ob_dense_part;

typedef void ob_pack_kernel(const float *x, int64_t rows, int64_t k, uint64_t *words);
typedef void ob_unpack_kernel(const uint64_t *words, int64_t rows, int64_t k, float *x);
typedef void ob_dense_kernel(const ob_dense_job *job, const ob_dense_part *part);
typedef ob_dense_kernel ob_dense_u8_kernel;

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
