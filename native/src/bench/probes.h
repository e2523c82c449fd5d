/* probes.h: what the probes of peaks share. A file that includes it defines _DEFAULT_SOURCE first, for the clock. */
#ifndef ONEBIT_PROBES_H
#define ONEBIT_PROBES_H

#include <time.h>

#include "onebit_bench.h"

/* This thread's own processor time, so that other programs do not count. */
static inline double ob_thread_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Bytes per second that this thread reads from memory. OB_ERROR_WORKSPACE: the system gives no block of memory. */
ob_status ob_memory_read(double *bytes_per_second);

#endif
