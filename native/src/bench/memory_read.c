/* memory_read.c: streams a block of four times the last cache, so that nearly every byte comes from memory. */
#define _DEFAULT_SOURCE
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "probes.h"

enum { LINE = 64, SUMS = 8 };

static size_t block_bytes(void) {
    const size_t least = (size_t)64 << 20, most = (size_t)512 << 20;
#if defined(_SC_LEVEL3_CACHE_SIZE)
    const long cache = sysconf(_SC_LEVEL3_CACHE_SIZE);
    const size_t wanted = cache > 0 ? 4 * (size_t)cache : most / 2;
#else
    const size_t wanted = most / 2;
#endif
    return wanted < least ? least : wanted > most ? most : wanted / LINE * LINE;
}

static void stream(const uint64_t *block, size_t words) {
    uint64_t sums[SUMS] = {0};
    for (size_t w = 0; w < words; w += SUMS)
        for (int i = 0; i < SUMS; i++) sums[i] += block[w + (size_t)i];
    for (int i = 0; i < SUMS; i++) __asm__ volatile("" ::"r"(sums[i]));
}

ob_status ob_memory_read(double *bytes_per_second) {
    const size_t bytes = block_bytes();
    uint64_t *block = malloc(bytes);
    if (!block) return OB_ERROR_WORKSPACE;
    memset(block, 1, bytes); /* a page that was never written is a shared page of zeros, in the cache */
    const double start = ob_thread_seconds(), least = 0.02;
    double elapsed = 0, read = 0;
    while (elapsed < least) {
        stream(block, bytes / sizeof *block);
        read += (double)bytes;
        elapsed = ob_thread_seconds() - start;
    }
    free(block);
    *bytes_per_second = read / elapsed;
    return OB_OK;
}
