/* dense_avx512bw.h: products of running exclusive ors: how rows become them, for dense_avx512vpopcnt.c as well. */
#ifndef ONEBIT_DENSE_AVX512BW_H
#define ONEBIT_DENSE_AVX512BW_H

#include "../kernels.h"

enum {
    OB_RUNNING_WORDS = 8192,  /* of all rows of a block, 64 KiB of stack */
    OB_RUNNING_LONGEST = 512, /* of one row: two lines of weights as long are 64 KiB of stack */
    OB_RUNNING_ROWS = 256,    /* of a block */
};

/* How many of `rows` rows are done at once: blocks of one size, or one less. */
OB_INLINE int64_t ob_running_block(int64_t rows, int64_t words) {
    const int64_t fit = OB_RUNNING_WORDS / words, most = fit < OB_RUNNING_ROWS ? fit : OB_RUNNING_ROWS;
    const int64_t blocks = (rows + most - 1) / most;
    return (rows + blocks - 1) / blocks;
}

/* The running exclusive ors of `rows` rows of job->x, from `row` on, one behind the other, `words` words each: past
 * job->words the last one is repeated, as if words of x were 0. */
OB_INLINE void ob_running_write(const ob_dense_job *job, int64_t row, int64_t rows, int64_t words, unsigned char *to) {
    const unsigned char *x = job->x + row * job->x_bytes;
    for (int64_t r = 0; r < rows; r++, x += job->x_bytes) {
        uint64_t running = 0;
        for (int64_t word = 0; word < words; word++, to += 8) {
            if (word < job->words) running ^= ob_load_u64(x + 8 * word);
            memcpy(to, &running, sizeof running);
        }
    }
}

#endif
