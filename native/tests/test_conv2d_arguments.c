/* test_conv2d_arguments.c: every wrong argument of the convolutions and their weights earns its own status, and nothing
 * is written. */
#include "check.h"

enum { C = 70, N = 20, GROUPS = 2, SIZE = 5 };
static const int32_t kernel[2] = {3, 2};

static unsigned char x[SIZE * SIZE * C], out[SIZE * SIZE * N * 4], *workspace, *weights;
static size_t workspace_bytes, weights_bytes;
static float ones[N];
static int32_t threshold[N];
static int8_t direction[N];
static uint64_t bits[SIZE * SIZE];
static ob_epilogue epilogue;

static void floats(int32_t activation) {
    epilogue.output = OB_OUTPUT_FLOAT_BITS, epilogue.activation = activation;
}

static ob_conv2d_call good_call(void) {
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
    return (ob_conv2d_call){.batch = 1,
                            .height = SIZE,
                            .width = SIZE,
                            .c = C,
                            .n = N,
                            .kernel = {kernel[0], kernel[1]},
                            .stride = {1, 1},
                            .padding = {1, 1, 0, 1},
                            .dilation = {1, 1},
                            .groups = GROUPS,
                            .multiplier = 1,
                            .x = x,
                            .weights = weights,
                            .weights_bytes = weights_bytes,
                            .epilogue = &epilogue,
                            .out = out,
                            .workspace = workspace,
                            .workspace_bytes = workspace_bytes};
}

typedef ob_status conv_function(const ob_conv2d_call *);
typedef size_t size_function(const ob_conv2d_call *, int32_t);

static void expect(conv_function *conv, const ob_conv2d_call *c, ob_status expected, const char *change) {
    const ob_status got = conv(c);
    CHECK(got == expected, "%s: \"%s\", expected \"%s\"", change, ob_status_text(got), ob_status_text(expected));
    for (size_t i = 0; expected && i < sizeof out; i++) CHECK(out[i] == 0, "%s wrote to out", change);
}

#define WRONG(change, expected) c = good_call(), change, expect(conv, &c, expected, #change)
/* The same, and it has no workspace either. */
#define WRONG_PLAN(change, expected) \
    WRONG(change, expected);         \
    CHECK(workspace_of(&c, 2) == 0, "%s has a workspace", #change)

static void check_geometry(conv_function *conv, size_function *workspace_of) {
    ob_conv2d_call c;
    WRONG_PLAN(c.batch = -1, OB_ERROR_SIZE);
    WRONG_PLAN(c.batch = INT64_MAX, OB_ERROR_SIZE);
    WRONG_PLAN(c.height = 0, OB_ERROR_SIZE);
    WRONG_PLAN(c.height = INT64_MAX, OB_ERROR_SIZE);
    WRONG_PLAN(c.width = -3, OB_ERROR_SIZE);
    WRONG_PLAN((c.height = c.width = INT32_MAX, c.batch = 1 << 20), OB_ERROR_SIZE);
    WRONG_PLAN(c.c = 0, OB_ERROR_SIZE);
    WRONG_PLAN(c.c = INT64_MAX, OB_ERROR_SIZE);
    WRONG_PLAN(c.n = INT64_MIN, OB_ERROR_SIZE);
    WRONG_PLAN((c.c = INT32_MAX, c.groups = 1), OB_ERROR_SIZE); /* 6 taps: the sum could pass 2^31 */
    WRONG_PLAN(c.kernel[0] = 0, OB_ERROR_WINDOW);
    WRONG_PLAN(c.kernel[1] = -1, OB_ERROR_WINDOW);
    WRONG_PLAN(c.kernel[1] = 7, OB_ERROR_WINDOW);
    WRONG_PLAN(c.stride[0] = 0, OB_ERROR_WINDOW);
    WRONG_PLAN(c.stride[1] = INT32_MIN, OB_ERROR_WINDOW);
    WRONG_PLAN(c.dilation[0] = 0, OB_ERROR_WINDOW);
    WRONG_PLAN(c.dilation[0] = 4, OB_ERROR_WINDOW);
    WRONG_PLAN(c.dilation[1] = INT32_MAX, OB_ERROR_WINDOW);
    for (int side = 0; side < 4; side++) WRONG_PLAN(c.padding[side] = -1, OB_ERROR_WINDOW);
    WRONG_PLAN(c.groups = 0, OB_ERROR_GROUPS);
    WRONG_PLAN(c.groups = -2, OB_ERROR_GROUPS);
    WRONG_PLAN(c.groups = 4, OB_ERROR_GROUPS); /* divides n, not c */
    WRONG_PLAN(c.groups = 7, OB_ERROR_GROUPS); /* divides c, not n */
    WRONG_PLAN(c.pad_value = 2, OB_ERROR_PAD_VALUE);
    WRONG_PLAN(c.pad_value = -2, OB_ERROR_PAD_VALUE);
    WRONG(c.n = N + 2, OB_ERROR_WEIGHTS);
    WRONG(c.c = C + 2, OB_ERROR_WEIGHTS);
    WRONG(c.groups = 1, OB_ERROR_WEIGHTS);
    WRONG((c.kernel[0] = 2, c.kernel[1] = 3), OB_ERROR_WEIGHTS);
}

static void check_memory(conv_function *conv, size_function *workspace_of) {
    ob_conv2d_call c = good_call();
    const size_t needed = workspace_of(&c, 2);
    unsigned char *no_weights = calloc(1, weights_bytes);
    const ob_executor no_run = {0},
                      no_threads = {.threads = 0,
                                    .run = (void (*)(void *, int64_t, void (*)(void *, int64_t), void *))1};
    CHECK(conv(NULL) == OB_ERROR_NULL, "no call");
    WRONG(c.x = NULL, OB_ERROR_NULL);
    WRONG(c.out = NULL, OB_ERROR_NULL);
    WRONG(c.weights = NULL, OB_ERROR_NULL);
    WRONG(c.epilogue = NULL, OB_ERROR_NULL);
    WRONG(c.weights_bytes--, OB_ERROR_WEIGHTS);
    WRONG(c.weights = no_weights, OB_ERROR_WEIGHTS);
    WRONG(c.workspace = NULL, OB_ERROR_WORKSPACE);
    WRONG(c.workspace_bytes = needed - 1, OB_ERROR_WORKSPACE);
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
    WRONG(floats(OB_ACTIVATION_CLAMP), OB_OK);
    WRONG(floats(OB_ACTIVATION_PRELU), OB_OK);
    WRONG((epilogue.output = OB_OUTPUT_BITS, epilogue.threshold = NULL), OB_ERROR_OUTPUT);
    WRONG((epilogue.output = OB_OUTPUT_BITS, epilogue.direction = NULL), OB_ERROR_OUTPUT);
    WRONG((epilogue.output = OB_OUTPUT_BITS, direction[N - 1] = 0), OB_ERROR_DIRECTION);
    WRONG(c.executor = &no_run, OB_ERROR_NULL);
    WRONG(c.executor = &no_threads, OB_ERROR_THREADS);
    WRONG((c.batch = 0, c.x = NULL, c.out = NULL, c.workspace = NULL), OB_OK); /* an empty batch needs no memory */
    WRONG(epilogue = (ob_epilogue){.output = OB_OUTPUT_INT32}, OB_OK);         /* int32 needs no array */
    free(no_weights);
}

/* k = 3 * 2 * 35 = 210 products of at most 2^31 / 210 fit; one more does not. */
static void check_largest_bytes(void) {
    conv_function *const conv = ob_conv2d_u8;
    ob_conv2d_call c;
    const int32_t k = C / GROUPS * kernel[0] * kernel[1], largest = INT32_MAX / k;
    WRONG(c.offset = largest - 255, OB_OK);
    WRONG(c.offset = largest - 254, OB_ERROR_SIZE);
    WRONG((c.offset = -largest), OB_OK);
    WRONG((c.offset = -largest - 1), OB_ERROR_SIZE);
    WRONG(c.offset = INT32_MIN, OB_ERROR_SIZE);
    WRONG(c.multiplier = INT32_MAX, OB_ERROR_SIZE);
    WRONG((c.multiplier = -(largest / 255) - 1), OB_ERROR_SIZE);
    WRONG((c.multiplier = INT32_MIN, c.offset = INT32_MIN), OB_ERROR_SIZE);
}

static void check_weights(void) {
    const int32_t good[2] = {1, 2}, none[2] = {0, 1}, large[2] = {INT32_MAX, 2};
    uint64_t rows[2 * 2] = {1, 2, 3, 4}, back[4];
    unsigned char block[64 + 2 * 64];
    CHECK(ob_conv_weights_bytes(2, 5, 1, good) == sizeof block, "%d", (int)ob_conv_weights_bytes(2, 5, 1, good));
    CHECK(ob_conv_weights_bytes(2, 5, 2, good) == 0 && ob_conv_weights_bytes(2, 5, 1, none) == 0 &&
              ob_conv_weights_bytes(2, 5, 1, large) == 0 && ob_conv_weights_bytes(0, 5, 1, good) == 0 &&
              ob_conv_weights_bytes(2, 5, 1, NULL) == 0,
          "0");
#define EXPECT(call, expected) CHECK((call) == (expected), "%s", ob_status_text(call))
    EXPECT(ob_conv_weights_pack(NULL, 2, 5, 1, good, block, sizeof block), OB_ERROR_NULL);
    EXPECT(ob_conv_weights_pack(rows, 2, 5, 1, good, NULL, sizeof block), OB_ERROR_NULL);
    EXPECT(ob_conv_weights_pack(rows, 2, 5, 1, NULL, block, sizeof block), OB_ERROR_NULL);
    EXPECT(ob_conv_weights_pack(rows, 2, 5, 1, none, block, sizeof block), OB_ERROR_WINDOW);
    EXPECT(ob_conv_weights_pack(rows, 2, 5, 3, good, block, sizeof block), OB_ERROR_GROUPS);
    EXPECT(ob_conv_weights_pack(rows, 2, 0, 1, good, block, sizeof block), OB_ERROR_SIZE);
    EXPECT(ob_conv_weights_pack(rows, 2, 5, 1, good, block, sizeof block - 1), OB_ERROR_WEIGHTS);
    EXPECT(ob_conv_weights_pack(rows, 2, 5, 1, good, block, sizeof block), OB_OK);
    EXPECT(ob_conv_weights_unpack(block, sizeof block, 2, 5, 1, good, NULL), OB_ERROR_NULL);
    EXPECT(ob_conv_weights_unpack(block, sizeof block, 2, 6, 1, good, back), OB_ERROR_WEIGHTS);
    EXPECT(ob_conv_weights_unpack(block, sizeof block, 2, 5, 1, good, back), OB_OK);
    CHECK(!memcmp(back, rows, sizeof rows), "unpack inverts pack");
    /* The two kinds of handle are not mistaken for each other. */
    EXPECT(ob_weights_unpack(block, sizeof block, 2, 5, back), OB_ERROR_WEIGHTS);
    EXPECT(ob_weights_pack(rows, 2, 5, block, sizeof block), OB_OK);
    EXPECT(ob_conv_weights_unpack(block, sizeof block, 2, 5, 1, good, back), OB_ERROR_WEIGHTS);
#undef EXPECT
}

int main(void) {
    uint64_t *rows = calloc((size_t)N * kernel[0] * kernel[1], 8);
    weights_bytes = ob_conv_weights_bytes(N, C, GROUPS, kernel);
    weights = malloc(weights_bytes);
    CHECK(ob_conv_weights_pack(rows, N, C, GROUPS, kernel, weights, weights_bytes) == OB_OK, "weights");
    ob_conv2d_call c = good_call();
    for (int u8 = 0; u8 < 2; u8++) {
        conv_function *const conv = u8 ? ob_conv2d_u8 : ob_conv2d;
        c.offset = u8; /* the largest workspace: an offset needs the sums of the weights even without padding */
        workspace_bytes = u8 ? ob_conv2d_u8_workspace(&c, 2) : ob_conv2d_workspace(&c, 2);
        workspace = malloc(workspace_bytes);
        check_geometry(conv, u8 ? ob_conv2d_u8_workspace : ob_conv2d_workspace);
        check_memory(conv, u8 ? ob_conv2d_u8_workspace : ob_conv2d_workspace);
        if (u8) check_largest_bytes();
        free(workspace);
    }
    check_weights();
    int64_t size[2];
    c = good_call();
    CHECK(ob_conv2d_output(&c, size) == OB_OK && size[0] == 5 && size[1] == 5, "%d %d", (int)size[0], (int)size[1]);
    CHECK(ob_conv2d_output(NULL, size) == OB_ERROR_NULL && ob_conv2d_output(&c, NULL) == OB_ERROR_NULL, "NULL");
    free(rows), free(weights);
    return finish("test_conv2d_arguments");
}
