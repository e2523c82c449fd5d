/* test_pool_floats.c: every kernel finds the largest of each window and the first place that has it, and touches
 * nothing else; wrong arguments earn their own status. */
#include "check.h"

static void check_values(void) {
    uint64_t seed = 66;
    ob_kernel_row row;
    for (int round = 0; round < 40; round++) {
        const int64_t batch = round % 4, height = 2 + (int64_t)(draw(&seed) % 6),
                      width = 2 + (int64_t)(draw(&seed) % 6);
        const int64_t c = 1 + (int64_t)(draw(&seed) % 40), tall = height / 2, wide = width / 2;
        const size_t count = (size_t)(batch * tall * wide * c);
        float *x = malloc((size_t)(batch * height * width * c) * 4 + 4);
        for (int64_t i = 0; i < batch * height * width * c; i++) x[i] = (float)(draw(&seed) % 5) - 2;
        for (int32_t k = 0; ob_kernel(k, &row) == OB_OK; k++) {
            if (strcmp(row.op, "gradient_windows") || !row.available) continue;
            guarded out = guarded_new(count * 4), which = guarded_new(count);
            float *found = (float *)(void *)out.data;
            const ob_pool_floats_call call = {batch, height, width, c, x, found, which.data, NULL};
            ob_force(row.isa);
            CHECK(ob_pool_floats(&call) == OB_OK, "%s refused", row.isa);
            ob_force(NULL);
            for (size_t i = 0; i < count; i++) {
                const int64_t j = (int64_t)i % c, at = (int64_t)i / c, y = at / wide % tall, picture = at / wide / tall;
                int best = 0;
                float four[4];
                for (int place = 0; place < 4; place++) {
                    const int64_t line = picture * height + 2 * y + place / 2;
                    four[place] = x[(line * width + 2 * (at % wide) + place % 2) * c + j];
                    if (four[place] > four[best]) best = place;
                }
                CHECK(found[i] == four[best] && which.data[i] == best, "%s: %g at %d, expected %g at %d", row.isa,
                      (double)found[i], which.data[i], (double)four[best], best);
            }
            CHECK(guarded_intact(&out) && guarded_intact(&which), "%s wrote outside", row.isa);
            free(out.all), free(which.all);
        }
        free(x);
    }
}

static void check_arguments(void) {
    float x[4] = {0}, out[1];
    unsigned char which[1];
    ob_pool_floats_call call = {1, 2, 2, 1, x, out, which, NULL};
    CHECK(ob_pool_floats(&call) == OB_OK && ob_pool_floats(NULL) == OB_ERROR_NULL, "status");
    call.which = NULL;
    CHECK(ob_pool_floats(&call) == OB_ERROR_NULL, "no places");
    call.height = 1;
    CHECK(ob_pool_floats(&call) == OB_ERROR_SIZE, "no window");
}

int main(void) {
    check_values();
    check_arguments();
    return finish("test_pool_floats");
}
