/* test_api.c: every wrong argument earns its own status and nothing is written; forcing and reporting kernels. */
#include "check.h"

#define EXPECT(call, expected)                                                                                  \
    do {                                                                                                        \
        const ob_status got = (call);                                                                           \
        CHECK(got == (expected), "got \"%s\", expected \"%s\"", ob_status_text(got), ob_status_text(expected)); \
    } while (0)

enum { M = 2, N = 70, K = 100, WORDS = 2 };

static uint64_t rows[N * WORDS], x_words[M * WORDS];
static unsigned char x_bytes[M * K], weights[64 + 9 * WORDS * 64], no_weights[sizeof weights], out[M * N * 4];
static float ones[N];
static int32_t threshold[N];
static int8_t direction[N];
static uint64_t bits[M * 2];
static ob_epilogue epilogue;

static void floats(int32_t activation) {
    epilogue.output = OB_OUTPUT_FLOAT_BITS, epilogue.activation = activation;
}

static ob_dense_call good_call(int u8) {
    for (int j = 0; j < N; j++) ones[j] = 1, direction[j] = 1;
    memset(out, 0, sizeof out);
    epilogue = (ob_epilogue){.output = OB_OUTPUT_INT32,
                             .scale = ones,
                             .bias = ones,
                             .threshold = threshold,
                             .direction = direction,
                             .low = ones,
                             .high = ones,
                             .slope = ones,
                             .float_threshold = ones,
                             .bits = bits};
    return (ob_dense_call){.m = M,
                           .n = N,
                           .k = K,
                           .x = u8 ? (const void *)x_bytes : x_words,
                           .weights = weights,
                           .weights_bytes = sizeof weights,
                           .epilogue = &epilogue,
                           .out = out};
}

static void check_dense_arguments(ob_status (*dense)(const ob_dense_call *), int u8) {
    ob_dense_call c = good_call(u8);
    EXPECT(dense(&c), OB_OK);
    EXPECT(dense(NULL), OB_ERROR_NULL);
    const ob_executor no_run = {0},
                      no_threads = {.threads = 0,
                                    .run = (void (*)(void *, int64_t, void (*)(void *, int64_t), void *))1};
#define WRONG(change, expected)  \
    c = good_call(u8);           \
    change;                      \
    EXPECT(dense(&c), expected); \
    for (size_t i = 0; i < sizeof out; i++) CHECK(out[i] == 0, "%s wrote to out", #change)
    WRONG(c.x = NULL, OB_ERROR_NULL);
    WRONG(c.out = NULL, OB_ERROR_NULL);
    WRONG(c.weights = NULL, OB_ERROR_NULL);
    WRONG(c.epilogue = NULL, OB_ERROR_NULL);
    WRONG(c.m = -1, OB_ERROR_SIZE);
    WRONG(c.m = INT64_MAX, OB_ERROR_SIZE);
    WRONG(c.n = 0, OB_ERROR_SIZE);
    WRONG(c.n = -5, OB_ERROR_SIZE);
    WRONG(c.n = INT64_MAX, OB_ERROR_SIZE);
    WRONG(c.k = 0, OB_ERROR_SIZE);
    WRONG(c.k = INT64_MIN, OB_ERROR_SIZE);
    WRONG(c.k = INT64_MAX, OB_ERROR_SIZE);
    WRONG(c.n = N + 1, OB_ERROR_WEIGHTS);
    WRONG(c.n = N - 1, OB_ERROR_WEIGHTS);
    WRONG(c.k = K + 1, OB_ERROR_WEIGHTS);
    WRONG(c.weights_bytes--, OB_ERROR_WEIGHTS);
    WRONG(c.weights = no_weights, OB_ERROR_WEIGHTS);
    WRONG(epilogue.output = 0, OB_ERROR_OUTPUT);
    WRONG(epilogue.output = 5, OB_ERROR_OUTPUT);
    WRONG((epilogue.output = OB_OUTPUT_FLOAT, epilogue.scale = NULL), OB_ERROR_OUTPUT);
    WRONG((epilogue.output = OB_OUTPUT_FLOAT, epilogue.bias = NULL), OB_ERROR_OUTPUT);
    WRONG((epilogue.output = OB_OUTPUT_FLOAT, epilogue.activation = -1), OB_ERROR_OUTPUT);
    WRONG((epilogue.output = OB_OUTPUT_FLOAT, epilogue.activation = 3), OB_ERROR_OUTPUT);
    WRONG((floats(OB_ACTIVATION_CLAMP), epilogue.low = NULL), OB_ERROR_OUTPUT);
    WRONG((floats(OB_ACTIVATION_CLAMP), epilogue.high = NULL), OB_ERROR_OUTPUT);
    WRONG((floats(OB_ACTIVATION_PRELU), epilogue.slope = NULL), OB_ERROR_OUTPUT);
    WRONG((floats(OB_ACTIVATION_NONE), epilogue.scale = NULL), OB_ERROR_OUTPUT);
    WRONG((floats(OB_ACTIVATION_NONE), epilogue.float_threshold = NULL), OB_ERROR_OUTPUT);
    WRONG((floats(OB_ACTIVATION_NONE), epilogue.direction = NULL), OB_ERROR_OUTPUT);
    WRONG((floats(OB_ACTIVATION_NONE), epilogue.bits = NULL), OB_ERROR_NULL);
    WRONG((floats(OB_ACTIVATION_NONE), direction[0] = 0), OB_ERROR_DIRECTION);
    WRONG((epilogue.output = OB_OUTPUT_BITS, epilogue.threshold = NULL), OB_ERROR_OUTPUT);
    WRONG((epilogue.output = OB_OUTPUT_BITS, epilogue.direction = NULL), OB_ERROR_OUTPUT);
    WRONG((epilogue.output = OB_OUTPUT_BITS, direction[N - 1] = 0), OB_ERROR_DIRECTION);
    WRONG((epilogue.output = OB_OUTPUT_BITS, direction[0] = 2), OB_ERROR_DIRECTION);
    WRONG(c.executor = &no_run, OB_ERROR_NULL);
    WRONG(c.executor = &no_threads, OB_ERROR_THREADS);
    WRONG((c.m = 0, c.x = NULL, c.out = NULL), OB_OK); /* an empty batch needs no memory */
    const uint32_t layout = 99;
    memcpy(weights + 4, &layout, 4);
    WRONG((void)0, OB_ERROR_WEIGHTS);
    ob_weights_pack(rows, N, K, weights, sizeof weights);
    c = good_call(u8), epilogue = (ob_epilogue){.output = OB_OUTPUT_INT32};
    EXPECT(dense(&c), OB_OK); /* int32 needs no array */
#undef WRONG
}

static void check_sizes_that_overflow(void) {
    /* The sums of k = 8421505 bytes could pass 2^31: refused even where the weights are right. */
    const int64_t k = INT32_MAX / 255 + 1;
    const size_t bytes = ob_weights_bytes(1, k);
    uint64_t *row = calloc((size_t)(k + 63) / 64, 8);
    void *long_weights = malloc(bytes);
    EXPECT(ob_weights_pack(row, 1, k, long_weights, bytes), OB_OK);
    unsigned char *x = calloc((size_t)k, 1);
    int32_t y[1];
    const ob_epilogue e = {.output = OB_OUTPUT_INT32};
    ob_dense_call c = {
        .m = 1, .n = 1, .k = k, .x = x, .weights = long_weights, .weights_bytes = bytes, .epilogue = &e, .out = y};
    EXPECT(ob_dense_u8(&c), OB_ERROR_SIZE);
    EXPECT(ob_dense(&c), OB_OK);
    CHECK(y[0] == k, "%d", y[0]);
    /* One byte less is the longest row, and its sum the largest: 255 * k, on every kernel. */
    EXPECT(ob_weights_pack(row, 1, k - 1, long_weights, ob_weights_bytes(1, k - 1)), OB_OK);
    memset(x, 255, (size_t)k);
    c.k = k - 1;
    ob_kernel_row kernel;
    for (int32_t i = 0; ob_kernel(i, &kernel) == OB_OK; i++) {
        if (strcmp(kernel.op, "dense_u8") || !kernel.available) continue;
        EXPECT(ob_force(kernel.isa), OB_OK);
        EXPECT(ob_dense_u8(&c), OB_OK);
        CHECK(y[0] == 255 * (k - 1), "%s: %d", kernel.isa, y[0]);
        memset(row, 0xff, (size_t)(k + 63) / 64 * 8);
        EXPECT(ob_weights_pack(row, 1, k - 1, long_weights, ob_weights_bytes(1, k - 1)), OB_OK);
        EXPECT(ob_dense_u8(&c), OB_OK);
        CHECK(y[0] == -255 * (k - 1), "%s: %d", kernel.isa, y[0]);
        memset(row, 0, (size_t)(k + 63) / 64 * 8);
        EXPECT(ob_weights_pack(row, 1, k - 1, long_weights, ob_weights_bytes(1, k - 1)), OB_OK);
    }
    ob_force(NULL);
    free(row), free(long_weights), free(x);
}

static void check_pack_arguments(void) {
    float f[1] = {-1};
    uint64_t w[1] = {0};
    const ob_executor no_run = {0};
    const float t[1] = {0};
    const int8_t up[1] = {1}, zero[1] = {0};
    const ob_pack_call good = {
        .batch = 1, .places = 1, .c = 1, .type = OB_TYPE_F32, .layout = OB_CHANNELS_FIRST, .x = f, .out = w};
    ob_pack_call bad = good;
#define REFUSED(field, value, status) EXPECT((bad = good, bad.field = (value), ob_pack(&bad)), status)
    EXPECT(ob_pack(NULL), OB_ERROR_NULL);
    REFUSED(x, NULL, OB_ERROR_NULL);
    REFUSED(out, NULL, OB_ERROR_NULL);
    REFUSED(executor, &no_run, OB_ERROR_NULL);
    REFUSED(threshold, t, OB_ERROR_NULL);
    REFUSED(direction, up, OB_ERROR_NULL);
    REFUSED(batch, -1, OB_ERROR_SIZE);
    REFUSED(places, -1, OB_ERROR_SIZE);
    REFUSED(c, 0, OB_ERROR_SIZE);
    REFUSED(c, (int64_t)1 << 31, OB_ERROR_SIZE);
    REFUSED(batch, INT64_MAX / 16, OB_ERROR_SIZE);
    REFUSED(type, 0, OB_ERROR_TYPE);
    REFUSED(type, OB_TYPE_S8 + 1, OB_ERROR_TYPE);
    REFUSED(type, OB_TYPE_U8, OB_ERROR_TYPE);
    REFUSED(layout, 0, OB_ERROR_TYPE);
    bad = good, bad.drawn = 1, bad.type = OB_TYPE_BF16;
    EXPECT(ob_pack(&bad), OB_ERROR_TYPE);
    bad = good, bad.drawn = 1, bad.threshold = t, bad.direction = up;
    EXPECT(ob_pack(&bad), OB_ERROR_TYPE);
    bad = good, bad.threshold = t, bad.direction = zero;
    EXPECT(ob_pack(&bad), OB_ERROR_DIRECTION);
    bad = good, bad.batch = 0, bad.x = NULL, bad.out = NULL;
    EXPECT(ob_pack(&bad), OB_OK);
    EXPECT(ob_unpack_f32(w, 1, (int64_t)1 << 31, f, NULL), OB_ERROR_SIZE);
    EXPECT(ob_unpack_f32(NULL, 1, 1, f, NULL), OB_ERROR_NULL);
    EXPECT(ob_unpack_f32(NULL, 0, 1, NULL, NULL), OB_OK);
    CHECK(w[0] == 0 && f[0] == -1, "a refused call wrote");
}

static void check_weights_arguments(void) {
    unsigned char block[128];
    uint64_t row[1] = {5};
    CHECK(ob_weights_bytes(0, 5) == 0 && ob_weights_bytes(5, -1) == 0 && ob_weights_bytes((int64_t)1 << 31, 1) == 0,
          "0");
    CHECK(ob_weights_bytes(9, 65) == 64 + 2 * 2 * 64, "%d", (int)ob_weights_bytes(9, 65));
    EXPECT(ob_weights_pack(NULL, 1, 1, block, sizeof block), OB_ERROR_NULL);
    EXPECT(ob_weights_pack(row, 1, 1, NULL, sizeof block), OB_ERROR_NULL);
    EXPECT(ob_weights_pack(row, 0, 1, block, sizeof block), OB_ERROR_SIZE);
    EXPECT(ob_weights_pack(row, 1, 1, block, sizeof block - 1), OB_ERROR_WEIGHTS);
    EXPECT(ob_weights_pack(row, 1, 1, block, sizeof block), OB_OK);
    EXPECT(ob_weights_unpack(block, sizeof block, 1, 1, NULL), OB_ERROR_NULL);
    EXPECT(ob_weights_unpack(block, sizeof block, 1, 2, row), OB_ERROR_WEIGHTS);
    block[0] ^= 1;
    EXPECT(ob_weights_unpack(block, sizeof block, 1, 1, row), OB_ERROR_WEIGHTS);
}

static void check_dispatch(void) {
    const char *isa, *op;
    ob_kernel_row row, previous = {"", "", 0};
    int32_t rows_seen = 0;
    EXPECT(ob_kernel(0, NULL), OB_ERROR_NULL);
    EXPECT(ob_kernel(-1, &row), OB_ERROR_SIZE);
    for (; ob_kernel(rows_seen, &row) == OB_OK; rows_seen++) {
        EXPECT(ob_force(row.isa), row.available ? OB_OK : OB_ERROR_ISA_ABSENT);
        if (row.available) {
            EXPECT(ob_active(row.op, &isa), OB_OK);
            CHECK(!strcmp(isa, row.isa), "%s is active after forcing %s", isa, row.isa);
        }
        EXPECT(ob_force(NULL), OB_OK);
        EXPECT(ob_active(row.op, &isa), OB_OK);
        if (strcmp(row.op, previous.op) && row.available) CHECK(!strcmp(isa, row.isa), "best first: %s", row.op);
        previous = row;
    }
    CHECK(rows_seen >= 4, "%d rows", rows_seen);
    EXPECT(ob_force("scalar"), OB_OK);
    EXPECT(ob_force("no such set"), OB_ERROR_ISA_UNKNOWN);
    EXPECT(ob_active("dense", &isa), OB_OK);
    CHECK(!strcmp(isa, "scalar"), "a refused force changes nothing: %s", isa);
    EXPECT(ob_force(""), OB_OK);
    EXPECT(ob_active(op = "conv9d", &isa), OB_ERROR_OP_UNKNOWN);
    EXPECT(ob_ran(op, &isa), OB_ERROR_OP_UNKNOWN);
    EXPECT(ob_active(NULL, &isa), OB_ERROR_NULL);
    EXPECT(ob_ran("dense", NULL), OB_ERROR_NULL);
    EXPECT(ob_set_threads(0), OB_ERROR_THREADS);
    EXPECT(ob_set_threads(1025), OB_ERROR_THREADS);
    EXPECT(ob_set_threads(2), OB_OK);
    CHECK(ob_get_threads() == 2, "%d", ob_get_threads());
    for (ob_status s = 0; s < OB_STATUS_COUNT; s++) CHECK(strlen(ob_status_text(s)) > 5, "status %d", s);
    CHECK(!strcmp(ob_status_text(OB_STATUS_COUNT), "unknown status") && !strcmp(ob_status_text(-1), "unknown status"),
          "text");
    CHECK(strlen(ob_version()) >= 5, "%s", ob_version());
    printf("features: %s\n", ob_cpu_features());
}

int main(void) {
    const char *isa;
    EXPECT(ob_ran("dense", &isa), OB_OK);
    CHECK(!strcmp(isa, ""), "nothing has run yet: %s", isa);
    EXPECT(ob_weights_pack(rows, N, K, weights, sizeof weights), OB_OK);
    CHECK(sizeof weights == ob_weights_bytes(N, K), "%d", (int)ob_weights_bytes(N, K));
    check_dispatch();
    check_dense_arguments(ob_dense, 0);
    check_dense_arguments(ob_dense_u8, 1);
    check_sizes_that_overflow();
    check_pack_arguments();
    check_weights_arguments();
    return finish("test_api");
}
