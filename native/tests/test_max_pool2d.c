/* test_max_pool2d.c: every kernel of ob_max_pool2d takes the maximum (or the minimum) of each channel over the places
 * of each window that are inside the picture, whatever the sizes and the threads, and touches nothing else; wrong
 * arguments earn their own status. */
#include "check.h"

static int value(const unsigned char *words, int64_t channel) {
    return words[channel / 8] >> channel % 8 & 1 ? -1 : 1;
}

/* The definition: a comparison of numbers, channel by channel. */
static void obvious(const ob_max_pool2d_call *q, const int64_t out[2], unsigned char *to) {
    const int64_t words = words_of(q->c);
    memset(to, 0, (size_t)(q->batch * out[0] * out[1] * words * 8));
    for (int64_t b = 0; b < q->batch; b++)
        for (int64_t oy = 0; oy < out[0]; oy++)
            for (int64_t ox = 0; ox < out[1]; ox++, to += words * 8)
                for (int64_t l = 0; l < q->c; l++) {
                    int largest = -2, least = 2;
                    for (int64_t i = 0; i < q->kernel[0]; i++)
                        for (int64_t j = 0; j < q->kernel[1]; j++) {
                            const int64_t y = oy * q->stride[0] - q->padding[0] + i;
                            const int64_t x = ox * q->stride[1] - q->padding[2] + j;
                            if (y < 0 || y >= q->height || x < 0 || x >= q->width) continue;
                            const int v = value(
                                (const unsigned char *)q->x + ((b * q->height + y) * q->width + x) * words * 8, l);
                            largest = v > largest ? v : largest;
                            least = v < least ? v : least;
                        }
                    const int minimum = q->minimum && value((const unsigned char *)q->minimum, l) < 0;
                    if ((minimum ? least : largest) < 0) to[l / 8] |= (unsigned char)(1 << l % 8);
                }
}

static void run_backwards(void *context, int64_t count, void (*task)(void *, int64_t), void *data) {
    *(int64_t *)context += count;
    while (count-- > 0) task(data, count);
}

static void check_call(ob_max_pool2d_call q, uint64_t seed) {
    int64_t out[2], tasks = 0;
    const int64_t words = words_of(q.c);
    ob_status status = ob_max_pool2d_output(&q, out);
    CHECK(status == OB_OK, "%s", ob_status_text(status));
    const size_t x_bytes = (size_t)(q.batch * q.height * q.width * words * 8), shift = draw(&seed) % 16;
    const size_t bytes = (size_t)(q.batch * out[0] * out[1] * words * 8);
    unsigned char *memory = malloc(x_bytes + shift + 1), *x = memory + shift, *expected = malloc(bytes + 1);
    uint64_t *minimum = malloc((size_t)words * 8);
    fill(x, x_bytes, &seed), fill(minimum, (size_t)words * 8, &seed);
    for (size_t i = 0; i < x_bytes; i++) x[i] &= (unsigned char)draw(&seed) | (unsigned char)draw(&seed); /* more +1 */
    const uint64_t last = q.c % 64 ? ~(uint64_t)0 >> (64 - q.c % 64) : ~(uint64_t)0;
    for (size_t at = (size_t)(words - 1) * 8; at < x_bytes; at += (size_t)words * 8) {
        uint64_t word;
        memcpy(&word, x + at, 8);
        word &= last;
        memcpy(x + at, &word, 8);
    }
    q.x = x, q.minimum = draw(&seed) % 3 ? minimum : NULL; /* stray tail bits of minimum must not reach the output */
    obvious(&q, out, expected);
    const ob_executor backwards = {&tasks, 3, run_backwards};
    q.executor = draw(&seed) % 2 ? &backwards : NULL;
    ob_set_threads(1 + (int32_t)(draw(&seed) % 3));
    ob_kernel_row row;
    for (int32_t i = 0; ob_kernel(i, &row) == OB_OK; i++) {
        if (strcmp(row.op, "max_pool2d") || !row.available) continue;
        const char *ran;
        guarded to = guarded_new(bytes);
        q.out = to.data;
        ob_force(row.isa);
        status = ob_max_pool2d(&q);
        ob_ran("max_pool2d", &ran);
        CHECK(status == OB_OK && !strcmp(ran, row.isa), "%s: %s, %s ran", row.isa, ob_status_text(status), ran);
        CHECK(!memcmp(to.data, expected, bytes),
              "%s, batch %d picture %dx%d c %d kernel %dx%d stride %d %d pad %d %d %d %d", row.isa, (int)q.batch,
              (int)q.height, (int)q.width, (int)q.c, q.kernel[0], q.kernel[1], q.stride[0], q.stride[1], q.padding[0],
              q.padding[1], q.padding[2], q.padding[3]);
        CHECK(guarded_intact(&to), "%s wrote outside", row.isa);
        free(to.all);
    }
    ob_force(NULL);
    free(memory), free(minimum), free(expected);
}

static void check_arguments(void) {
    uint64_t x[4 * 4] = {0}, out[16] = {1};
    const ob_executor no_run = {0};
    const ob_max_pool2d_call good = {
        .batch = 1, .height = 4, .width = 4, .c = 3, .kernel = {2, 2}, .stride = {2, 2}, .x = x, .out = out};
    ob_max_pool2d_call q = good;
#define EXPECT(change, expected)                                                     \
    q = good;                                                                        \
    change;                                                                          \
    CHECK(ob_max_pool2d(&q) == (expected), "%s", ob_status_text(ob_max_pool2d(&q))); \
    CHECK(out[0] == 1, "%s wrote", #change)
    CHECK(ob_max_pool2d(NULL) == OB_ERROR_NULL, "no call");
    CHECK(ob_max_pool2d_output(&good, NULL) == OB_ERROR_NULL, "no output");
    EXPECT(q.x = NULL, OB_ERROR_NULL);
    EXPECT(q.out = NULL, OB_ERROR_NULL);
    EXPECT(q.executor = &no_run, OB_ERROR_NULL);
    EXPECT(q.batch = -1, OB_ERROR_SIZE);
    EXPECT(q.batch = INT64_MAX, OB_ERROR_SIZE);
    EXPECT(q.height = 0, OB_ERROR_SIZE);
    EXPECT(q.width = INT64_MAX, OB_ERROR_SIZE);
    EXPECT(q.c = 0, OB_ERROR_SIZE);
    EXPECT(q.kernel[0] = 0, OB_ERROR_WINDOW);
    EXPECT(q.kernel[1] = 5, OB_ERROR_WINDOW);
    EXPECT(q.stride[1] = 0, OB_ERROR_WINDOW);
    EXPECT(q.padding[0] = -1, OB_ERROR_WINDOW);
    EXPECT(q.padding[1] = 2, OB_ERROR_WINDOW); /* a whole window could lie outside */
    EXPECT(q.padding[3] = 2, OB_ERROR_WINDOW);
    EXPECT((q.batch = 0, q.x = NULL, q.out = NULL), OB_OK);
#undef EXPECT
    CHECK(ob_max_pool2d(&good) == OB_OK && out[0] == 0, "the good call");
}

int main(void) {
    static const int64_t channels[] = {1, 3, 8, 63, 64, 65, 128, 130, 192, 250, 256, 257, 300, 512, 513, 700};
    uint64_t seed = 21;
    for (size_t a = 0; a < sizeof channels / sizeof *channels; a++)
        for (int again = 0; again < 30; again++) {
            ob_max_pool2d_call q = {.batch = 1 + (int64_t)(draw(&seed) % 3), .c = channels[a]};
            for (int i = 0; i < 2; i++) {
                int64_t *size = i ? &q.width : &q.height;
                *size = 1 + (int64_t)(draw(&seed) % 12);
                q.kernel[i] = 1 + (int32_t)(draw(&seed) % 4), q.stride[i] = 1 + (int32_t)(draw(&seed) % 4);
                for (int side = 0; side < 2; side++)
                    q.padding[2 * i + side] = (int32_t)(draw(&seed) % (uint64_t)q.kernel[i]);
                if (*size + q.padding[2 * i] + q.padding[2 * i + 1] < q.kernel[i]) *size = q.kernel[i];
            }
            check_call(q, draw(&seed));
        }
    ob_max_pool2d_call large = {.batch = 5, .height = 64, .width = 64, .c = 320, .kernel = {2, 2}, .stride = {2, 2}};
    check_call(large, 1); /* several tasks */
    large.batch = 0;
    check_call(large, 1);
    check_arguments();
    return finish("test_max_pool2d");
}
