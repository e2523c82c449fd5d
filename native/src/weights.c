/* weights.c: from rows of words to the pre-packed handle of weights.h, and back. */
#include "weights.h"

#include <string.h>

#include "kernels.h"

typedef struct header {
    char magic[4];
    uint32_t layout;
    int64_t n, k;
    unsigned char zero[40];
} header;
_Static_assert(sizeof(header) == OB_WEIGHTS_HEADER, "the header fills one cache line");

static const char magic[4] = {'1', 'B', 'W', 'T'};

static int sizes_are_valid(int64_t n, int64_t k) {
    return n >= 1 && n <= INT32_MAX && k >= 1 && k <= INT32_MAX;
}

size_t ob_weights_bytes(int64_t n, int64_t k) {
    if (!sizes_are_valid(n, k)) return 0;
    const uint64_t bytes = OB_WEIGHTS_HEADER + (uint64_t)((n + 7) / 8) * (uint64_t)((k + 63) / 64) * 64;
    return bytes <= SIZE_MAX ? (size_t)bytes : 0;
}

ob_status ob_weights_check(const void *weights, size_t bytes, int64_t n, int64_t k) {
    if (!weights) return OB_ERROR_NULL;
    const size_t expected = ob_weights_bytes(n, k);
    if (!expected) return OB_ERROR_SIZE;
    header h;
    if (bytes < expected) return OB_ERROR_WEIGHTS;
    memcpy(&h, weights, sizeof h);
    if (memcmp(h.magic, magic, sizeof magic) || h.layout != OB_WEIGHTS_LAYOUT) return OB_ERROR_WEIGHTS;
    return h.n == n && h.k == k ? OB_OK : OB_ERROR_WEIGHTS;
}

ob_status ob_weights_pack(const uint64_t *rows, int64_t n, int64_t k, void *weights, size_t bytes) {
    if (!rows || !weights) return OB_ERROR_NULL;
    const size_t expected = ob_weights_bytes(n, k);
    if (!expected) return OB_ERROR_SIZE;
    if (bytes < expected) return OB_ERROR_WEIGHTS;
    const header h = {{magic[0], magic[1], magic[2], magic[3]}, OB_WEIGHTS_LAYOUT, n, k, {0}};
    const int64_t words = (k + 63) / 64;
    const uint64_t last = k % 64 ? ~(uint64_t)0 >> (64 - k % 64) : ~(uint64_t)0; /* a stray tail bit would be counted */
    memcpy(weights, &h, sizeof h);
    unsigned char *line = (unsigned char *)weights + OB_WEIGHTS_HEADER;
    for (int64_t channel = 0; channel < n; channel += 8)
        for (int64_t w = 0; w < words; w++, line += 64) {
            uint64_t lanes[8] = {0};
            for (int64_t c = 0; c < 8 && channel + c < n; c++)
                lanes[c] = rows[(channel + c) * words + w] & (w + 1 < words ? ~(uint64_t)0 : last);
            memcpy(line, lanes, sizeof lanes);
        }
    return OB_OK;
}

ob_status ob_weights_unpack(const void *weights, size_t bytes, int64_t n, int64_t k, uint64_t *rows) {
    if (!rows) return OB_ERROR_NULL;
    const ob_status status = ob_weights_check(weights, bytes, n, k);
    if (status) return status;
    const int64_t words = (k + 63) / 64;
    const unsigned char *lines = (const unsigned char *)weights + OB_WEIGHTS_HEADER;
    for (int64_t channel = 0; channel < n; channel++)
        for (int64_t w = 0; w < words; w++)
            rows[channel * words + w] = ob_load_u64(lines + (channel / 8 * words + w) * 64 + channel % 8 * 8);
    return OB_OK;
}
