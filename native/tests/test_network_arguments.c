/* test_network_arguments.c: every field of a description is checked, and an error names its step. */
#include "random_network.h"

enum { STEPS = 4, VALUES = 6, CONSTANTS = 12 };

/* bytes -> conv2d_u8 (bits) -> max_pool2d -> dense (floats and bits) -> dense (int32), on 4 x 4 pictures of 3. */
typedef struct description {
    ob_value values[VALUES];
    ob_step steps[STEPS];
    int64_t bytes[CONSTANTS];
    int32_t inputs[1], outputs[2];
    ob_network of;
} description;

static ob_step step_of(int32_t op, int32_t x, int32_t out) {
    ob_step s = {.op = op, .x = x, .out = out, .bits = -1, .residual = -1};
    for (int a = 0; a < OB_ARRAY_COUNT; a++) s.arrays[a] = -1;
    return s;
}

static void describe(description *d) {
    const int32_t kernel[] = {3, 3};
    *d = (description){.values = {{OB_TYPE_U8, 3, {4, 4, 3}},
                                  {OB_TYPE_WORDS, 3, {4, 4, 1}},
                                  {OB_TYPE_WORDS, 3, {2, 2, 1}},
                                  {OB_TYPE_F32, 1, {10}},
                                  {OB_TYPE_WORDS, 1, {1}},
                                  {OB_TYPE_S32, 1, {5}}},
                       .bytes = {(int64_t)ob_conv_weights_bytes(64, 3, 1, kernel), 256, 64, 8,
                                 (int64_t)ob_weights_bytes(10, 256), 40, 40, 40, 40, 40, 10,
                                 (int64_t)ob_weights_bytes(5, 10)},
                       .outputs = {3, 5}};
    ob_step *s = d->steps;
    s[0] = step_of(OB_STEP_CONV2D_U8, 0, 1);
    s[0].call.conv2d = (ob_conv2d_call){.batch = 1,
                                        .height = 4,
                                        .width = 4,
                                        .c = 3,
                                        .n = 64,
                                        .kernel = {3, 3},
                                        .stride = {1, 1},
                                        .padding = {1, 1, 1, 1},
                                        .dilation = {1, 1},
                                        .groups = 1,
                                        .multiplier = 2,
                                        .offset = -255};
    s[0].epilogue.output = OB_OUTPUT_BITS;
    s[0].arrays[OB_ARRAY_WEIGHTS] = 0, s[0].arrays[OB_ARRAY_THRESHOLD] = 1, s[0].arrays[OB_ARRAY_DIRECTION] = 2;
    s[1] = step_of(OB_STEP_MAX_POOL2D, 1, 2);
    s[1].call.max_pool2d =
        (ob_max_pool2d_call){.batch = 1, .height = 4, .width = 4, .c = 64, .kernel = {2, 2}, .stride = {2, 2}};
    s[1].arrays[OB_ARRAY_MINIMUM] = 3;
    s[2] = step_of(OB_STEP_DENSE, 2, 3);
    s[2].call.dense = (ob_dense_call){.m = 1, .n = 10, .k = 256};
    s[2].epilogue = (ob_epilogue){.output = OB_OUTPUT_FLOAT_BITS, .activation = OB_ACTIVATION_CLAMP};
    s[2].bits = 4;
    const int32_t of_both[] = {OB_ARRAY_WEIGHTS, OB_ARRAY_SCALE,           OB_ARRAY_BIAS,     OB_ARRAY_LOW,
                               OB_ARRAY_HIGH,    OB_ARRAY_FLOAT_THRESHOLD, OB_ARRAY_DIRECTION};
    for (int32_t a = 0; a < 7; a++) s[2].arrays[of_both[a]] = 4 + a;
    s[3] = step_of(OB_STEP_DENSE, 4, 5);
    s[3].call.dense = (ob_dense_call){.m = 1, .n = 5, .k = 10};
    s[3].epilogue.output = OB_OUTPUT_INT32;
    s[3].arrays[OB_ARRAY_WEIGHTS] = 11;
    d->of = (ob_network){d->values, d->steps, d->bytes, d->inputs, d->outputs, VALUES, STEPS, CONSTANTS, 1, 2};
}

static description d;

static void refused(const char *what, ob_status expected, int32_t expected_step) {
    int64_t number = -7;
    int32_t step = -2;
    const ob_status status = ob_network_create(&d.of, &number, &step);
    CHECK(status == expected, "%s: \"%s\" in place of \"%s\"", what, ob_status_text(status), ob_status_text(expected));
    CHECK(step == expected_step, "%s: step %d in place of %d", what, step, expected_step);
    CHECK(number == -7, "%s: a number for no network", what);
    describe(&d);
}
/* Puts a wrong value into a field of the description. */
#define REFUSED(field, value, expected, step) (d.field = (value), refused(#field " = " #value, expected, step))

static void check_ends(void) {
    REFUSED(of.values, NULL, OB_ERROR_NULL, -1);
    REFUSED(of.steps, NULL, OB_ERROR_NULL, -1);
    REFUSED(of.constant_bytes, NULL, OB_ERROR_NULL, -1);
    REFUSED(of.inputs, NULL, OB_ERROR_NULL, -1);
    REFUSED(of.outputs, NULL, OB_ERROR_NULL, -1);
    REFUSED(of.value_count, 0, OB_ERROR_SIZE, -1);
    REFUSED(of.step_count, -1, OB_ERROR_SIZE, -1);
    REFUSED(of.input_count, 0, OB_ERROR_SIZE, -1);
    REFUSED(of.output_count, 1 << 20, OB_ERROR_SIZE, -1);
    REFUSED(of.constant_count, -1, OB_ERROR_SIZE, -1);
    REFUSED(inputs[0], 6, OB_ERROR_VALUE, -1);
    REFUSED(inputs[0], -1, OB_ERROR_VALUE, -1);
    REFUSED(outputs[1], 6, OB_ERROR_VALUE, -1);
    REFUSED(outputs[1], 3, OB_ERROR_VALUE, -1); /* twice */
    REFUSED(outputs[1], 0, OB_ERROR_VALUE, -1); /* an input */
    REFUSED(values[2].type, 0, OB_ERROR_VALUE, -1);
    REFUSED(values[2].type, 8, OB_ERROR_VALUE, -1);
    REFUSED(values[2].dims, 0, OB_ERROR_VALUE, -1);
    REFUSED(values[2].dims, 9, OB_ERROR_VALUE, -1);
    REFUSED(values[2].sizes[1], 0, OB_ERROR_VALUE, -1);
    REFUSED(values[2].sizes[1], INT64_MAX, OB_ERROR_VALUE, -1);
}

static void check_values(void) {
    REFUSED(steps[1].op, 0, OB_ERROR_STEP, 1);
    REFUSED(steps[1].op, 11, OB_ERROR_STEP, 1);
    REFUSED(steps[1].x, -1, OB_ERROR_VALUE, 1);
    REFUSED(steps[1].x, 6, OB_ERROR_VALUE, 1);
    REFUSED(steps[1].x, 4, OB_ERROR_VALUE, 1);   /* not there yet */
    REFUSED(steps[1].out, 1, OB_ERROR_VALUE, 1); /* there already */
    REFUSED(steps[1].out, 0, OB_ERROR_VALUE, 1);
    REFUSED(steps[1].bits, 4, OB_ERROR_VALUE, 1); /* it gives none */
    REFUSED(steps[2].bits, -1, OB_ERROR_VALUE, 2);
    REFUSED(steps[2].residual, 0, OB_ERROR_FIT, 2);
    REFUSED(steps[2].residual, 3, OB_ERROR_VALUE, 2);  /* its own result */
    REFUSED(steps[3].residual, 3, OB_ERROR_OUTPUT, 3); /* int32 */
    REFUSED(values[0].type, OB_TYPE_S8, OB_ERROR_FIT, 0);
    REFUSED(values[0].sizes[2], 4, OB_ERROR_FIT, 0);
    REFUSED(values[2].sizes[0], 3, OB_ERROR_FIT, 1);
    REFUSED(values[3].type, OB_TYPE_S32, OB_ERROR_FIT, 2);
    REFUSED(values[4].sizes[0], 2, OB_ERROR_FIT, 2);
}

static void check_calls(void) {
    static float number;
    REFUSED(steps[0].call.conv2d.batch, 2, OB_ERROR_SIZE, 0);
    REFUSED(steps[0].call.conv2d.n, 0, OB_ERROR_SIZE, 0);
    REFUSED(steps[0].call.conv2d.groups, 0, OB_ERROR_SIZE, 0);
    REFUSED(steps[0].call.conv2d.kernel[0], 0, OB_ERROR_WINDOW, 0);
    REFUSED(steps[0].call.conv2d.stride[1], 0, OB_ERROR_WINDOW, 0);
    REFUSED(steps[0].call.conv2d.padding[3], -1, OB_ERROR_WINDOW, 0);
    REFUSED(steps[0].call.conv2d.height, 0, OB_ERROR_SIZE, 0);
    REFUSED(steps[0].call.conv2d.x, &number, OB_ERROR_STEP, 0);
    REFUSED(steps[0].call.conv2d.workspace, &number, OB_ERROR_STEP, 0);
    REFUSED(steps[1].call.max_pool2d.padding[0], 2, OB_ERROR_WINDOW, 1);
    REFUSED(steps[1].call.max_pool2d.c, 0, OB_ERROR_SIZE, 1);
    REFUSED(steps[1].call.max_pool2d.out, &number, OB_ERROR_STEP, 1);
    REFUSED(steps[2].call.dense.m, 0, OB_ERROR_SIZE, 2);
    REFUSED(steps[2].call.dense.k, -1, OB_ERROR_SIZE, 2);
    REFUSED(steps[2].call.dense.weights, &number, OB_ERROR_STEP, 2);
    REFUSED(steps[2].epilogue.output, 5, OB_ERROR_OUTPUT, 2);
    REFUSED(steps[2].epilogue.activation, 3, OB_ERROR_OUTPUT, 2);
    REFUSED(steps[2].epilogue.residual, &number, OB_ERROR_STEP, 2);
    REFUSED(steps[2].epilogue.scale, &number, OB_ERROR_STEP, 2);
}

/* In place of the pooling, of words (4, 4, 1) to (2, 2, 1). */
static void as_join(ob_join_call call, ob_status expected) {
    d.steps[1].op = OB_STEP_JOIN;
    d.steps[1].call.join = call;
    d.steps[1].arrays[OB_ARRAY_MINIMUM] = -1;
    refused("a joint", expected, 1);
}

static void as_transpose(ob_transpose_call call, ob_status expected) {
    d.steps[1].op = OB_STEP_TRANSPOSE;
    d.steps[1].call.transpose = call;
    d.steps[1].arrays[OB_ARRAY_MINIMUM] = -1;
    refused("a transposition", expected, 1);
}

static void check_moves(void) {
    as_join((ob_join_call){16, 1, {10}, {1}}, OB_ERROR_SIZE);
    as_join((ob_join_call){16, 9, {10}, {1}}, OB_ERROR_SIZE);
    as_join((ob_join_call){0, 2, {10, 10}, {1, 1}}, OB_ERROR_SIZE);
    as_join((ob_join_call){16, 2, {10, 0}, {1, 1}}, OB_ERROR_SIZE);
    as_join((ob_join_call){16, 3, {INT32_MAX, INT32_MAX, 1}, {1, 1, 1}}, OB_ERROR_SIZE);
    as_join((ob_join_call){16, 2, {10, 10}, {0, 1}}, OB_ERROR_VALUE); /* x is the first part */
    as_join((ob_join_call){16, 2, {10, 10}, {1, 3}}, OB_ERROR_VALUE); /* not there yet */
    as_join((ob_join_call){16, 2, {10, 10}, {1, -1}}, OB_ERROR_VALUE);
    as_join((ob_join_call){16, 2, {10, 10}, {1, 99}}, OB_ERROR_VALUE);
    as_join((ob_join_call){16, 2, {10, 10}, {1, 0}}, OB_ERROR_FIT); /* pixels */
    as_join((ob_join_call){16, 2, {10, 65}, {1, 1}}, OB_ERROR_FIT);
    as_join((ob_join_call){16, 2, {10, 10}, {1, 1}}, OB_ERROR_FIT); /* the output has 4 rows */
    as_transpose((ob_transpose_call){4, 1, 0}, OB_ERROR_TYPE);
    as_transpose((ob_transpose_call){4, 1, 8}, OB_ERROR_TYPE);
    as_transpose((ob_transpose_call){0, 1, OB_TYPE_WORDS}, OB_ERROR_SIZE);
    as_transpose((ob_transpose_call){4, -1, OB_TYPE_WORDS}, OB_ERROR_SIZE);
    as_transpose((ob_transpose_call){4, 2, OB_TYPE_WORDS}, OB_ERROR_FIT);
    as_transpose((ob_transpose_call){8, 4, OB_TYPE_U8}, OB_ERROR_FIT);
}

static void check_constants(void) {
    REFUSED(steps[0].arrays[OB_ARRAY_WEIGHTS], -1, OB_ERROR_CONSTANT, 0);
    REFUSED(steps[0].arrays[OB_ARRAY_WEIGHTS], CONSTANTS, OB_ERROR_CONSTANT, 0);
    REFUSED(steps[0].arrays[OB_ARRAY_THRESHOLD], -2, OB_ERROR_CONSTANT, 0);
    REFUSED(steps[0].arrays[OB_ARRAY_SCALE], 1, OB_ERROR_CONSTANT, 0); /* it has none */
    REFUSED(steps[1].arrays[OB_ARRAY_MINIMUM], 2, OB_ERROR_CONSTANT, 1);
    REFUSED(steps[2].arrays[OB_ARRAY_HIGH], -1, OB_ERROR_CONSTANT, 2);
    REFUSED(steps[2].arrays[OB_ARRAY_SLOPE], 5, OB_ERROR_CONSTANT, 2);
    for (int32_t i = 0; i < CONSTANTS; i++) {
        const int32_t step = i < 3 ? 0 : i < 4 ? 1 : i < 11 ? 2 : 3;
        REFUSED(bytes[i], d.bytes[i] - 1, OB_ERROR_CONSTANT, step);
    }
}

/* What the contents tell, when a run makes a plan: the error stays until the constants are right. */
static void check_runs(void) {
    int64_t number;
    unsigned char x[48] = {0}, *constants[CONSTANTS];
    float out[10];
    int32_t sums[5];
    const void *inputs[] = {x};
    void *outputs[] = {out, sums};
    CHECK(ob_network_create(&d.of, &number, NULL) == OB_OK, "the description is right");
    for (int i = 0; i < CONSTANTS; i++) constants[i] = calloc(1, (size_t)d.bytes[i]);
    ob_network_call call = {number, 1, 0, inputs, (const void *const *)constants, outputs, NULL};
    CHECK(ob_network_run(NULL) == OB_ERROR_NULL, "no call");
    CHECK(ob_network_run(&call) == OB_ERROR_WEIGHTS, "no handles");
    uint64_t rows[64 * 9 + 10 * 4] = {0};
    const int32_t kernel[] = {3, 3};
    CHECK(!ob_conv_weights_pack(rows, 64, 3, 1, kernel, constants[0], (size_t)d.bytes[0]), "handle");
    CHECK(!ob_weights_pack(rows, 10, 256, constants[4], (size_t)d.bytes[4]), "handle");
    CHECK(!ob_weights_pack(rows, 5, 10, constants[11], (size_t)d.bytes[11]), "handle");
    CHECK(ob_network_run(&call) == OB_ERROR_DIRECTION, "directions of 0");
    memset(constants[2], 1, 64), memset(constants[10], 1, 10);
    CHECK(ob_network_run(&call) == OB_OK, "all is right");
    const ob_executor none = {NULL, 2, NULL};
    call.executor = &none;
    CHECK(ob_network_run(&call) == OB_ERROR_NULL, "an executor that runs nothing");
    call.executor = NULL, call.batch = -1;
    CHECK(ob_network_run(&call) == OB_ERROR_SIZE, "a batch below 0");
    call.batch = INT64_MAX / 2;
    CHECK(ob_network_run(&call) == OB_ERROR_SIZE, "a batch that no memory holds");
    call.batch = 1, outputs[1] = NULL;
    CHECK(ob_network_run(&call) == OB_ERROR_NULL, "an output that is nowhere");
    outputs[1] = sums, inputs[0] = NULL;
    CHECK(ob_network_run(&call) == OB_ERROR_NULL, "an input that is nowhere");
    inputs[0] = x, call.number = number + 1;
    CHECK(ob_network_run(&call) == OB_ERROR_NETWORK, "another number");
    call.number = number;
    CHECK(ob_network_run(&call) == OB_OK, "and all is right again");
    CHECK(ob_network_destroy(number) == OB_OK && ob_network_run(&call) == OB_ERROR_NETWORK, "destroyed");
    for (int i = 0; i < CONSTANTS; i++) free(constants[i]);
}

int main(void) {
    describe(&d);
    check_ends();
    check_values();
    check_calls();
    check_moves();
    check_constants();
    check_runs();
    CHECK(ob_network_create(NULL, &(int64_t){0}, NULL) == OB_ERROR_NULL, "no description");
    CHECK(ob_network_create(&d.of, NULL, NULL) == OB_ERROR_NULL, "nowhere to put the number");
    return finish("test_network_arguments");
}
