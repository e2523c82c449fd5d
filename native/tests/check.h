/* check.h: the little that the native tests share: a check that says where it failed, and reproducible numbers. */
#ifndef ONEBIT_TESTS_CHECK_H
#define ONEBIT_TESTS_CHECK_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "onebit.h"

static int failures;

#define CHECK(condition, ...)                                  \
    do {                                                       \
        if (condition) break;                                  \
        failures++;                                            \
        printf("%s:%d: %s: ", __FILE__, __LINE__, #condition); \
        printf(__VA_ARGS__);                                   \
        printf("\n");                                          \
        if (failures >= 20) exit(1);                           \
    } while (0)

/* splitmix64: every test starts from its own seed, so a failure can be repeated. */
static inline uint64_t draw(uint64_t *seed) {
    uint64_t z = *seed += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static inline void fill(void *to, size_t bytes, uint64_t *seed) {
    for (size_t i = 0; i < bytes; i++) ((unsigned char *)to)[i] = (unsigned char)draw(seed);
}

/* Memory between two guard zones; exactly `bytes` long, so that a sanitizer sees a read past its end as well. */
enum { GUARD = 64 };
typedef struct guarded {
    unsigned char *all, *data;
    size_t bytes;
} guarded;

static inline guarded guarded_new(size_t bytes) {
    unsigned char *all = malloc(bytes + 2 * GUARD);
    if (!all) abort();
    memset(all, 0xa5, bytes + 2 * GUARD);
    return (guarded){all, all + GUARD, bytes};
}

static inline int guarded_intact(const guarded *g) {
    for (size_t i = 0; i < GUARD; i++)
        if (g->all[i] != 0xa5 || g->data[g->bytes + i] != 0xa5) return 0;
    return 1;
}

static inline int words_of(int64_t k) {
    return (int)((k + 63) / 64);
}

static inline int finish(const char *name) {
    printf("%s: %s\n", name, failures ? "FAILED" : "passed");
    return failures != 0;
}

#endif
