/* conv_weights.c: from rows of words to the pre-packed handle of conv_weights.h, and back. */
#include "conv_weights.h"

#include <string.h>

#include "kernels.h"

typedef struct header {
    char magic[4];
    uint32_t layout;
    int64_t n, c;
    int32_t groups, kernel[2];
    unsigned char zero[28];
} header;
_Static_assert(sizeof(header) == OB_CONV_WEIGHTS_HEADER, "the header fills one cache line");

int64_t ob_conv_slots(int64_t c, int32_t groups) {
    const int64_t group_c = c / groups;
    int64_t most = 0;
    /* The first bit of a group in its word repeats after 64 groups. */
    for (int64_t g = 0; g < groups && g < 64; g++) {
        const int64_t words = (g * group_c + group_c - 1) / 64 - g * group_c / 64 + 1;
        if (words > most) most = words;
    }
    return most;
}

ob_status ob_conv_sizes_check(int64_t n, int64_t c, int32_t groups, const int32_t kernel[2]) {
    if (!kernel) return OB_ERROR_NULL;
    if (n < 1 || n > INT32_MAX || c < 1 || c > INT32_MAX) return OB_ERROR_SIZE;
    if (kernel[0] < 1 || kernel[1] < 1) return OB_ERROR_WINDOW;
    if (groups < 1 || c % groups || n % groups) return OB_ERROR_GROUPS;
    const int64_t taps = (int64_t)kernel[0] * kernel[1];
    return taps > INT32_MAX / (c / groups) ? OB_ERROR_SIZE : OB_OK; /* k is the largest |sum| */
}

size_t ob_conv_weights_bytes(int64_t n, int64_t c, int32_t groups, const int32_t kernel[2]) {
    if (ob_conv_sizes_check(n, c, groups, kernel)) return 0;
    const size_t lines = (size_t)kernel[0] * (size_t)kernel[1] * (size_t)ob_conv_slots(c, groups);
    size_t bytes;
    if (__builtin_mul_overflow(lines * 64, (size_t)((n + 7) / 8), &bytes)) return 0;
    return bytes <= INT64_MAX / 64 && bytes <= SIZE_MAX / 2 ? bytes + OB_CONV_WEIGHTS_HEADER : 0;
}

static header header_of(int64_t n, int64_t c, int32_t groups, const int32_t kernel[2]) {
    return (header){{'1', 'B', 'W', 'T'}, OB_CONV_WEIGHTS_LAYOUT, n, c, groups, {kernel[0], kernel[1]}, {0}};
}

/* The status of wrong sizes, or OB_OK and how many bytes a handle of these sizes has. */
static ob_status expected_bytes(int64_t n, int64_t c, int32_t groups, const int32_t kernel[2], size_t *bytes) {
    const ob_status status = ob_conv_sizes_check(n, c, groups, kernel);
    if (status) return status;
    *bytes = ob_conv_weights_bytes(n, c, groups, kernel);
    return *bytes ? OB_OK : OB_ERROR_SIZE;
}

ob_status ob_conv_weights_check(const void *weights, size_t bytes, int64_t n, int64_t c, int32_t groups,
                                const int32_t kernel[2]) {
    if (!weights) return OB_ERROR_NULL;
    size_t expected;
    const ob_status status = expected_bytes(n, c, groups, kernel, &expected);
    if (status) return status;
    if (bytes < expected) return OB_ERROR_WEIGHTS;
    const header h = header_of(n, c, groups, kernel);
    return memcmp(weights, &h, sizeof h) ? OB_ERROR_WEIGHTS : OB_OK;
}

/* Where the bits of one word of rows stand in the handle: from bit `shift` of a slot on. */
typedef struct place {
    unsigned char *slot; /* the next slot is 64 bytes further */
    int shift, bits;     /* bits: how many of the word are channels */
} place;

static place place_of(unsigned char *lines, int64_t slots_per_channel, int64_t tap_slot, int64_t channel,
                      int64_t group_c, int64_t group_n, int64_t word) {
    const int64_t low = channel / group_n * group_c, bit = low % 64 + 64 * word;
    const int64_t left = group_c - 64 * word;
    place p = {lines + (channel / 8 * slots_per_channel + tap_slot + bit / 64) * 64 + channel % 8 * 8, (int)(bit % 64),
               left < 64 ? (int)left : 64};
    return p;
}

static void put(const place *p, uint64_t word) {
    word &= ~(uint64_t)0 >> (64 - p->bits); /* a stray tail bit would be counted */
    const uint64_t low = ob_load_u64(p->slot) | word << p->shift;
    memcpy(p->slot, &low, sizeof low);
    if (p->shift + p->bits <= 64) return;
    const uint64_t high = ob_load_u64(p->slot + 64) | word >> (64 - p->shift);
    memcpy(p->slot + 64, &high, sizeof high);
}

static uint64_t get(const place *p) {
    uint64_t word = ob_load_u64(p->slot) >> p->shift;
    if (p->shift + p->bits > 64) word |= ob_load_u64(p->slot + 64) << (64 - p->shift);
    return word & ~(uint64_t)0 >> (64 - p->bits);
}

ob_status ob_conv_weights_pack(const uint64_t *rows, int64_t n, int64_t c, int32_t groups, const int32_t kernel[2],
                               void *weights, size_t bytes) {
    if (!rows || !weights) return OB_ERROR_NULL;
    size_t expected;
    const ob_status status = expected_bytes(n, c, groups, kernel, &expected);
    if (status) return status;
    if (bytes < expected) return OB_ERROR_WEIGHTS;
    const header h = header_of(n, c, groups, kernel);
    memset(weights, 0, expected);
    memcpy(weights, &h, sizeof h);
    const int64_t slots = ob_conv_slots(c, groups), taps = (int64_t)kernel[0] * kernel[1];
    const int64_t group_c = c / groups, words = (group_c + 63) / 64;
    unsigned char *lines = (unsigned char *)weights + OB_CONV_WEIGHTS_HEADER;
    for (int64_t channel = 0; channel < n; channel++)
        for (int64_t tap = 0; tap < taps; tap++)
            for (int64_t w = 0; w < words; w++) {
                const place p = place_of(lines, taps * slots, tap * slots, channel, group_c, n / groups, w);
                put(&p, *rows++);
            }
    return OB_OK;
}

ob_status ob_conv_weights_unpack(const void *weights, size_t bytes, int64_t n, int64_t c, int32_t groups,
                                 const int32_t kernel[2], uint64_t *rows) {
    if (!rows) return OB_ERROR_NULL;
    const ob_status status = ob_conv_weights_check(weights, bytes, n, c, groups, kernel);
    if (status) return status;
    const int64_t slots = ob_conv_slots(c, groups), taps = (int64_t)kernel[0] * kernel[1];
    const int64_t group_c = c / groups, words = (group_c + 63) / 64;
    unsigned char *lines = (unsigned char *)weights + OB_CONV_WEIGHTS_HEADER; /* only read */
    for (int64_t channel = 0; channel < n; channel++)
        for (int64_t tap = 0; tap < taps; tap++)
            for (int64_t w = 0; w < words; w++) {
                const place p = place_of(lines, taps * slots, tap * slots, channel, group_c, n / groups, w);
                *rows++ = get(&p);
            }
    return OB_OK;
}
