/* test_pack.c: every pack kernel makes -1 of what is below its threshold, for all types and both layouts; unpack
 * inverts it. */
#include "check.h"
#include "uniform.h"

#include <math.h>

static const float odd_values[] = {0.0f, -0.0f, 1.0f, -1.0f, NAN, -NAN, INFINITY, -INFINITY, 1e-45f, -1e-45f, 3e38f};
enum { ODD = sizeof odd_values / sizeof *odd_values };
static const char *const type_names[] = {"", "f32", "f16", "bf16", "u8", "s8"};
static const size_t type_bytes[] = {0, 4, 2, 2, 1, 1};
enum { ZERO, THRESHOLD, DRAWN }; /* what values are compared with */
enum { SEED = 0x89abcdefu };

/* The value of a half, by its definition. */
static double half_value(uint16_t half) {
    const int exponent = half >> 10 & 31, fraction = half & 1023;
    double v = exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24);
    if (exponent == 31) v = fraction ? NAN : INFINITY;
    return half >> 15 ? -v : v;
}

/* Writes a random value of the type and tells what it is. */
static double draw_value(int type, unsigned char *to, uint64_t *seed) {
    const uint64_t r = draw(seed);
    float value = r % 3 ? (float)(int32_t)(r >> 32) / 0x1p28f : odd_values[r / 3 % ODD];
    uint32_t bits;
    memcpy(&bits, &value, 4);
    if (type == OB_TYPE_BF16) bits &= 0xffff0000u;
    memcpy(&value, &bits, 4);
    if (type == OB_TYPE_F32) return memcpy(to, &bits, 4), value;
    if (type == OB_TYPE_BF16) return memcpy(to, (unsigned char *)&bits + 2, 2), value;
    memcpy(to, &r, type_bytes[type]); /* all halves and bytes are values */
    if (type == OB_TYPE_F16) return half_value((uint16_t)r);
    return type == OB_TYPE_U8 ? (double)(uint8_t)r : (double)(int8_t)r;
}

typedef struct problem {
    int64_t batch, places, c;
    int type, layout, compared;
} problem;

static void check_kernels(const problem *p, const ob_pack_call *call, const guarded *expected) {
    ob_kernel_row row;
    for (int32_t i = 0; ob_kernel(i, &row) == OB_OK; i++) {
        if (strcmp(row.op, "pack") || !row.available) continue;
        const char *ran;
        guarded packed = guarded_new(expected->bytes);
        ob_pack_call mine = *call;
        mine.out = packed.data;
        ob_force(row.isa);
        CHECK(ob_pack(&mine) == OB_OK, "%s", row.isa);
        CHECK(ob_ran("pack", &ran) == OB_OK && !strcmp(ran, row.isa), "%s ran instead of %s", ran, row.isa);
        CHECK(!memcmp(packed.data, expected->data, packed.bytes) && guarded_intact(&packed),
              "%s %s, layout %d, compared %d: batch %d, places %d, c %d", row.isa, type_names[p->type], p->layout,
              p->compared, (int)p->batch, (int)p->places, (int)p->c);
        free(packed.all);
    }
    ob_force(NULL);
}

static void check_problem(const problem *p, uint64_t seed) {
    const int64_t rows = p->batch * p->places, words = words_of(p->c);
    const size_t bytes = type_bytes[p->type];
    guarded x = guarded_new((size_t)(rows * p->c) * bytes), expected = guarded_new((size_t)(rows * words) * 8);
    guarded threshold = guarded_new((size_t)p->c * 4), direction = guarded_new((size_t)p->c);
    memset(expected.data, 0, expected.bytes);
    for (int64_t j = 0; j < p->c; j++) {
        const uint64_t r = draw(&seed);
        const float t = r % 3 ? (float)(int8_t)(r >> 32) / 16 : odd_values[r / 3 % ODD];
        memcpy(threshold.data + 4 * j, &t, 4);
        direction.data[j] = r >> 63 ? 1 : 255;
    }
    for (int64_t b = 0; b < p->batch; b++)
        for (int64_t place = 0; place < p->places; place++)
            for (int64_t j = 0; j < p->c; j++) {
                const int64_t row = b * p->places + place;
                const int64_t at = p->layout == OB_CHANNELS_LAST ? row * p->c + j : (b * p->c + j) * p->places + place;
                const double v = draw_value(p->type, x.data + (size_t)at * bytes, &seed);
                float t = 0;
                if (p->compared == THRESHOLD) memcpy(&t, threshold.data + 4 * j, 4);
                if (p->compared == DRAWN) t = 1 - 2 * uniform(SEED, (uint32_t)((b * p->c + j) * p->places + place));
                const int minus = p->compared == THRESHOLD && direction.data[j] != 1 ? v > t : v < t;
                expected.data[row * words * 8 + j / 8] |= (unsigned char)(minus << j % 8);
            }
    ob_pack_call call = {.batch = p->batch,
                         .places = p->places,
                         .c = p->c,
                         .type = p->type,
                         .layout = p->layout,
                         .x = x.data,
                         .drawn = p->compared == DRAWN,
                         .seed = SEED};
    if (p->compared == THRESHOLD)
        call.threshold = (const float *)(const void *)threshold.data, call.direction = (const int8_t *)direction.data;
    check_kernels(p, &call, &expected);
    free(x.all), free(expected.all), free(threshold.all), free(direction.all);
}

static void check_all_forms(int64_t batch, int64_t places, int64_t c) {
    for (int type = OB_TYPE_F32; type <= OB_TYPE_S8; type++)
        for (int layout = OB_CHANNELS_LAST; layout <= OB_CHANNELS_FIRST; layout++)
            for (int compared = type == OB_TYPE_U8; compared <= (type == OB_TYPE_F32 ? DRAWN : THRESHOLD); compared++) {
                const problem p = {batch, places, c, type, layout, compared};
                check_problem(&p, (uint64_t)(c * 1000 + places * 10 + batch));
            }
}

static void check_every_half(void) {
    uint16_t x[1 << 16];
    uint64_t expected[1 << 10] = {0};
    for (int i = 0; i < 1 << 16; i++) {
        x[i] = (uint16_t)i;
        expected[i / 64] |= (uint64_t)(half_value(x[i]) < 0x1.8p-20) << i % 64;
    }
    static float threshold[1 << 16];
    static int8_t direction[1 << 16];
    for (int i = 0; i < 1 << 16; i++) threshold[i] = 0x1.8p-20f, direction[i] = 1;
    const problem p = {1, 1, 1 << 16, OB_TYPE_F16, OB_CHANNELS_LAST, THRESHOLD};
    const ob_pack_call call = {.batch = 1,
                               .places = 1,
                               .c = 1 << 16,
                               .type = p.type,
                               .layout = p.layout,
                               .x = x,
                               .threshold = threshold,
                               .direction = direction};
    const guarded g = {NULL, (unsigned char *)expected, sizeof expected};
    check_kernels(&p, &call, &g);
}

static void check_unpack(int64_t rows, int64_t k, uint64_t seed) {
    guarded words = guarded_new((size_t)(rows * words_of(k)) * 8);
    fill(words.data, words.bytes, &seed);
    ob_kernel_row row;
    for (int32_t i = 0; ob_kernel(i, &row) == OB_OK; i++) {
        if (strcmp(row.op, "unpack") || !row.available) continue;
        const char *ran;
        guarded back = guarded_new((size_t)(rows * k) * 4);
        ob_force(row.isa);
        CHECK(ob_unpack_f32((const uint64_t *)(const void *)words.data, rows, k, (float *)(void *)back.data, NULL) ==
                  OB_OK,
              "%s", row.isa);
        CHECK(ob_ran("unpack", &ran) == OB_OK && !strcmp(ran, row.isa), "%s ran instead of %s", ran, row.isa);
        for (int64_t j = 0; j < rows * k; j++) {
            const int64_t bit = j / k * words_of(k) * 64 + j % k;
            const float value = ((const float *)(const void *)back.data)[j];
            CHECK(value == (words.data[bit / 8] >> bit % 8 & 1 ? -1.0f : 1.0f), "%s unpack, k %d", row.isa, (int)k);
        }
        CHECK(guarded_intact(&back), "%s unpack wrote outside, rows %d k %d", row.isa, (int)rows, (int)k);
        free(back.all);
    }
    ob_force(NULL);
    free(words.all);
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
    for (size_t i = 0; i < sizeof edges / sizeof *edges; i++) {
        for (int64_t rows = 0; rows < 6; rows++) check_unpack(rows, edges[i], (uint64_t)(edges[i] * 8 + rows));
        for (int64_t batch = 0; batch < 3; batch++) check_all_forms(batch, edges[i] % 70, edges[i]);
        check_all_forms(1, edges[i], 35);
        check_all_forms(2, 49, edges[i] % 140 + 1);
    }
    check_all_forms(3, 1100, 70); /* several tasks, which end inside a picture */
    check_all_forms(1, 1, 100000);
    check_unpack(1000, 200, 1);
    check_every_half();
    check_stray_tail_bits_are_dropped();
    return finish("test_pack");
}
