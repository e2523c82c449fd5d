/* onebit_bench.h: what this CPU can do at most. For benchmarks, which tell what part of it a kernel reaches. */
#ifndef ONEBIT_BENCH_H
#define ONEBIT_BENCH_H

#include "onebit.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The peaks that this library can measure: `row` counts from 0; returns OB_ERROR_SIZE past the last row.
 * needs: CPU features, separated by spaces. available: 1 if this CPU has them and its operating system allows them. */
typedef struct ob_peak_row {
    const char *name, *needs;
    int32_t available;
} ob_peak_row;
OB_API ob_status ob_peak_list(int32_t row, ob_peak_row *out);

/* Runs the loop of that name for some 25 ms on the calling thread. The result is per second of this thread's own
 * processor time, so that other programs do not count: multiply-accumulates, or bytes for "memory_read".
 * OB_ERROR_ISA_UNKNOWN: there is no such peak; OB_ERROR_ISA_ABSENT: this CPU cannot run it. */
OB_API ob_status ob_peak(const char *name, double *per_second);

/* c (m, n) = a (m, k) times b (k, n), all dense rows of float: a plain tiled loop that nobody tuned, for comparison. */
OB_API ob_status ob_plain_matmul(int64_t m, int64_t n, int64_t k, const float *a, const float *b, float *c,
                                 const ob_executor *executor);

#ifdef __cplusplus
}
#endif
#endif
