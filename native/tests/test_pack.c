/* test_pack.c: every pack kernel takes x < 0 as bit 1, for all the odd values of float32; unpack inverts it. */
#include "check.h"

#include <math.h>

static const float odd_values[] = {0.0f, -0.0f, 1.0f, -1.0f, NAN, -NAN, INFINITY, -INFINITY, 1e-45f, -1e-45f, 3e38f};

static void check_size(int64_t rows, int64_t k, uint64_t seed) {
    const int words = words_of(k);
    const size_t count = (size_t)(rows * k);
    float *x = malloc(count * 4 + 4);
    uint64_t *expected = calloc((size_t)rows * words + 1, 8);
    for (size_t i = 0; i < count; i++) {
        const uint64_t r = draw(&seed);
        x[i] = r % 3 ? (float)(int32_t)(r >> 32) : odd_values[r / 3 % (sizeof odd_values / sizeof *odd_values)];
        const size_t row = i / (size_t)k, bit = i % (size_t)k;
        if (x[i] < 0) expected[row * (size_t)words + bit / 64] |= (uint64_t)1 << bit % 64;
    }
    ob_kernel_row row;
    for (int32_t i = 0; ob_kernel(i, &row) == OB_OK; i++) {
        if (strcmp(row.op, "pack") || !row.available) continue;
        const char *ran;
        guarded packed = guarded_new((size_t)rows * words * 8), back = guarded_new(count * 4);
        ob_force(row.isa);
        CHECK(ob_pack_f32(x, rows, k, (uint64_t *)(void *)packed.data, NULL) == OB_OK, "%s", row.isa);
        CHECK(ob_ran("pack", &ran) == OB_OK && !strcmp(ran, row.isa), "%s ran instead of %s", ran, row.isa);
        CHECK(!memcmp(packed.data, expected, packed.bytes), "%s, rows %d k %d", row.isa, (int)rows, (int)k);
        CHECK(guarded_intact(&packed), "%s wrote outside, rows %d k %d", row.isa, (int)rows, (int)k);

        CHECK(ob_unpack_f32(expected, rows, k, (float *)(void *)back.data, NULL) == OB_OK, "%s", row.isa);
        CHECK(ob_ran("unpack", &ran) == OB_OK && !strcmp(ran, row.isa), "%s ran instead of %s", ran, row.isa);
        for (size_t j = 0; j < count; j++) {
            const float value = ((const float *)(const void *)back.data)[j];
            CHECK(value == (x[j] < 0 ? -1.0f : 1.0f), "%s unpack, rows %d k %d", row.isa, (int)rows, (int)k);
        }
        CHECK(guarded_intact(&back), "%s unpack wrote outside, rows %d k %d", row.isa, (int)rows, (int)k);
        free(packed.all), free(back.all);
    }
    ob_force(NULL);
    free(x), free(expected);
}

static void check_stray_tail_bits_are_dropped(void) {
    uint64_t rows[3 * 2], back[3 * 2];
    memset(rows, 0xff, sizeof rows);
    const size_t bytes = ob_weights_bytes(3, 70);
    void *weights = malloc(bytes);
    CHECK(ob_weights_pack(rows, 3, 70, weights, bytes) == OB_OK, "weights_pack");
    CHECK(ob_weights_unpack(weights, bytes, 3, 70, back) == OB_OK, "weights_unpack");
    for (int j = 0; j < 3; j++) CHECK(back[2 * j] == ~(uint64_t)0 && back[2 * j + 1] == 0x3f, "channel %d", j);
    free(weights);
}

int main(void) {
    static const int edges[] = {1,  2,  3,  7,  8,  9,   15,  16,  17,  31,  32,  33,  63,
                                64, 65, 79, 80, 81, 127, 128, 129, 511, 512, 513, 1000};
    ob_set_threads(3);
    for (size_t i = 0; i < sizeof edges / sizeof *edges; i++)
        for (int64_t rows = 0; rows < 6; rows++) check_size(rows, edges[i], (uint64_t)(edges[i] * 8 + rows));
    check_size(1000, 200, 1); /* several tasks */
    check_size(3, 100000, 2);
    check_stray_tail_bits_are_dropped();
    return finish("test_pack");
}
