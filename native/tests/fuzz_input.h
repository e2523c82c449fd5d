/* fuzz_input.h: a fuzzer's bytes as choices, and memory that is exactly as large as a call may touch. */
#ifndef ONEBIT_TESTS_FUZZ_INPUT_H
#define ONEBIT_TESTS_FUZZ_INPUT_H

#define _POSIX_C_SOURCE 200112L /* posix_memalign */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "onebit.h"

typedef struct fuzz_input {
    const uint8_t *data;
    size_t left;
} fuzz_input;

/* The fuzzer only learns of a broken law by a crash. */
#define FUZZ_LAW(condition, ...)                               \
    do {                                                       \
        if (condition) break;                                  \
        printf("%s:%d: %s: ", __FILE__, __LINE__, #condition); \
        printf(__VA_ARGS__);                                   \
        printf("\n");                                          \
        fflush(stdout);                                        \
        abort();                                               \
    } while (0)

/* The next byte, or 0 at the end. */
static inline uint8_t fuzz_byte(fuzz_input *in) {
    if (!in->left) return 0;
    in->left--;
    return *in->data++;
}

static inline int fuzz_one_in(fuzz_input *in, int times) {
    return fuzz_byte(in) % times == times - 1; /* never at the end of the input */
}

/* Mostly a small size, else one that overflows something. */
static inline int64_t fuzz_size(fuzz_input *in, int64_t most) {
    static const int64_t hostile[] = {
        0,
        -1,
        INT32_MAX,
        (int64_t)INT32_MAX + 1,
        INT32_MIN,
        (int64_t)1 << 32,
        INT64_MAX,
        INT64_MIN,
        1 << 16,
        ((int64_t)1 << 16) + 1,
        INT64_MAX - 62,
        (int64_t)1 << 62,
        INT32_MAX / 255,
        INT32_MAX / 255 + 1,
        INT64_MAX / 64,
        (int64_t)1 << 40,
    };
    if (fuzz_one_in(in, 24)) return hostile[fuzz_byte(in) % (sizeof hostile / sizeof *hostile)];
    return 1 + (fuzz_byte(in) + 256 * (int64_t)fuzz_byte(in)) % most;
}

static inline int32_t fuzz_int(fuzz_input *in, int32_t least, int32_t most) {
    static const int32_t hostile[] = {0, -1, 2, INT32_MAX, INT32_MIN, INT32_MAX - 1, 255, 1 << 16};
    if (fuzz_one_in(in, 24)) return hostile[fuzz_byte(in) % (sizeof hostile / sizeof *hostile)];
    return least + fuzz_byte(in) % (most - least + 1);
}

/* ---- memory: freed together; a guard zone tells of a write past the end even without a sanitizer ---- */
enum { FUZZ_BLOCKS = 24, FUZZ_GUARD = 32, FUZZ_MOST_BYTES = 1 << 18, FUZZ_WORK_BYTES = 1 << 21 };

typedef struct fuzz_memory {
    unsigned char *block[FUZZ_BLOCKS];
    size_t bytes[FUZZ_BLOCKS];
    int count;
    int spoiled; /* something in it is wrong in a way that the call must notice */
} fuzz_memory;

#if defined(__SANITIZE_ADDRESS__)
enum { FUZZ_GUARDED = 0 }; /* its own guard zones are better: they see reads too, if ours are not in the way */
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
enum { FUZZ_GUARDED = 0 };
#else
enum { FUZZ_GUARDED = FUZZ_GUARD };
#endif
#else
enum { FUZZ_GUARDED = FUZZ_GUARD };
#endif

/* `bytes` bytes, at an address that is a multiple of 64 plus `shift`. */
static inline void *fuzz_block(fuzz_memory *m, size_t bytes, size_t shift) {
    void *block;
    FUZZ_LAW(m->count < FUZZ_BLOCKS && bytes <= FUZZ_WORK_BYTES, "%zu bytes", bytes);
    if (posix_memalign(&block, 64, shift + bytes + FUZZ_GUARDED)) abort();
    m->block[m->count] = block, m->bytes[m->count++] = shift + bytes;
    memset(block, 0xa5, shift + bytes + FUZZ_GUARDED);
    return (unsigned char *)block + shift;
}

/* The same with bytes of the fuzzer's own, repeated: behind a pointer to a type, or behind a void pointer. */
static inline void *fuzz_filled(fuzz_memory *m, fuzz_input *in, size_t bytes, size_t shift) {
    unsigned char *to = fuzz_block(m, bytes, shift);
    const uint8_t seed = fuzz_byte(in);
    for (size_t i = 0; i < bytes; i++) to[i] = (unsigned char)((i * 167 + seed) ^ i >> 3);
    return to;
}
static inline void *fuzz_typed(fuzz_memory *m, fuzz_input *in, size_t bytes) {
    return fuzz_filled(m, in, bytes, 8 * (fuzz_byte(in) % 2u));
}
static inline void *fuzz_anywhere(fuzz_memory *m, fuzz_input *in, size_t bytes) {
    return fuzz_filled(m, in, bytes, fuzz_byte(in) % 9u);
}

static inline void fuzz_memory_end(fuzz_memory *m) {
    for (; m->count > 0; free(m->block[m->count])) {
        m->count--;
        for (int i = 0; i < FUZZ_GUARDED; i++)
            FUZZ_LAW(m->block[m->count][m->bytes[m->count] + (size_t)i] == 0xa5, "a write past the end");
    }
}

/* The product of sizes that are not negative; -1 if one is, or if it passes FUZZ_MOST_BYTES. */
static inline int64_t fuzz_product(int count, const int64_t sizes[]) {
    int64_t product = 1;
    for (int i = 0; i < count; i++) {
        if (sizes[i] < 0) return -1;
        if (sizes[i] == 0) return 0;
    }
    for (int i = 0; i < count; i++) {
        if (sizes[i] > FUZZ_MOST_BYTES / product) return -1;
        product *= sizes[i];
    }
    return product;
}
#define FUZZ_PRODUCT(...) \
    fuzz_product((int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (int64_t[]){__VA_ARGS__})

#endif
