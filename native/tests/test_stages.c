/* test_stages.c: every stage of every operator is shared out over the caller's executor, which is all that runs then,
 * and any number of threads gives the same bytes. */
#define _POSIX_C_SOURCE 200112L /* posix_memalign */
#include "check.h"

enum { ROWS = 96, K = 4096, N = 640, SIDE = 40, BATCH = 4, C = 128, MOST_BYTES = 1 << 20 };

static uint64_t words[1 << 17];
static float reals[ROWS * K];
static unsigned char *dense_weights, *conv_weights, *workspace;
static size_t dense_bytes, conv_bytes, workspace_bytes;
static float ones[N];
static int32_t threshold[N];
static int8_t direction[N];
static const int32_t kernel[2] = {3, 3};

/* One operator each: writes at most MOST_BYTES to out. */
static ob_status run_pack(void *out, const ob_executor *e) {
    const ob_pack_call c = {.batch = ROWS,
                            .places = 1,
                            .c = K,
                            .type = OB_TYPE_F32,
                            .layout = OB_CHANNELS_LAST,
                            .x = reals,
                            .out = out,
                            .executor = e};
    return ob_pack(&c);
}
static ob_status run_pack_channels_first(void *out, const ob_executor *e) {
    const ob_pack_call c = {.batch = 4,
                            .places = ROWS * 4,
                            .c = K / 16,
                            .type = OB_TYPE_F32,
                            .layout = OB_CHANNELS_FIRST,
                            .x = reals,
                            .out = out,
                            .executor = e};
    return ob_pack(&c);
}
static ob_status run_unpack(void *out, const ob_executor *e) {
    return ob_unpack_f32(words, MOST_BYTES / 4 / K, K, out, e);
}
static ob_status dense(int u8, int32_t output, void *out, const ob_executor *e) {
    const ob_epilogue epilogue = {
        .output = output, .scale = ones, .bias = ones, .threshold = threshold, .direction = direction};
    const int32_t threads = e ? e->threads : ob_get_threads();
    const size_t bytes = (u8 ? ob_dense_u8_workspace : ob_dense_workspace)(ROWS, N, K, threads);
    void *memory = NULL;
    if (bytes && posix_memalign(&memory, 64, bytes)) abort();
    const ob_dense_call c = {ROWS, N, K, words, dense_weights, dense_bytes, &epilogue, out, memory, bytes, e};
    const ob_status status = (u8 ? ob_dense_u8 : ob_dense)(&c);
    free(memory);
    return status;
}
static ob_status run_dense(void *out, const ob_executor *e) {
    return dense(0, OB_OUTPUT_BITS, out, e);
}
static ob_status run_dense_u8(void *out, const ob_executor *e) {
    return dense(1, OB_OUTPUT_FLOAT, out, e);
}
static ob_conv2d_call conv_call(const ob_epilogue *epilogue) {
    return (ob_conv2d_call){.batch = BATCH,
                            .height = SIDE,
                            .width = SIDE,
                            .c = C,
                            .n = C,
                            .kernel = {3, 3},
                            .stride = {1, 1},
                            .padding = {1, 1, 1, 1},
                            .dilation = {1, 1},
                            .groups = 1,
                            .pad_value = -1, /* which most kernels prepare for */
                            .multiplier = 2,
                            .offset = -255,
                            .x = words,
                            .weights = conv_weights,
                            .weights_bytes = conv_bytes,
                            .epilogue = epilogue,
                            .workspace = workspace,
                            .workspace_bytes = workspace_bytes};
}
static ob_status conv(int u8, void *out, const ob_executor *e) {
    const ob_epilogue epilogue = {.output = OB_OUTPUT_BITS, .threshold = threshold, .direction = direction};
    ob_conv2d_call c = conv_call(&epilogue);
    c.out = out, c.executor = e;
    return (u8 ? ob_conv2d_u8 : ob_conv2d)(&c);
}
static ob_status run_conv2d(void *out, const ob_executor *e) {
    return conv(0, out, e);
}
static ob_status run_conv2d_u8(void *out, const ob_executor *e) {
    return conv(1, out, e);
}
static ob_status run_max_pool2d(void *out, const ob_executor *e) {
    const ob_max_pool2d_call c = {.batch = BATCH,
                                  .height = 2 * SIDE,
                                  .width = 2 * SIDE,
                                  .c = 2 * C,
                                  .kernel = {2, 2},
                                  .stride = {2, 2},
                                  .x = words,
                                  .out = out,
                                  .executor = e};
    return ob_max_pool2d(&c);
}

typedef struct count {
    int64_t stages, fewest; /* fewest: tasks of a stage */
} count;

static void run_backwards(void *context, int64_t tasks, void (*task)(void *, int64_t), void *data) {
    count *seen = context;
    seen->stages++;
    if (seen->fewest < 0 || tasks < seen->fewest) seen->fewest = tasks;
    while (tasks-- > 0) task(data, tasks);
}

static int threads_of_this_process(void) {
    int found = 0;
    char line[256];
    FILE *f = fopen("/proc/self/status", "r"); /* 0 where there is no such file */
    while (f && fgets(line, sizeof line, f)) sscanf(line, "Threads: %d", &found);
    if (f) fclose(f);
    return found;
}

static const struct {
    const char *name;
    ob_status (*run)(void *out, const ob_executor *executor);
    /* A convolution may prepare its picture and tables first; of bits, some kernels need neither, or tables alone. */
    int least_stages, stages, fewest;
} operators[] = {{"pack", run_pack, 1, 1, 3},          {"pack channels first", run_pack_channels_first, 1, 1, 3},
                 {"unpack", run_unpack, 1, 1, 3},      {"dense", run_dense, 1, 1, 3},
                 {"dense_u8", run_dense_u8, 1, 1, 3},  {"max_pool2d", run_max_pool2d, 1, 1, 3},
                 {"conv2d", run_conv2d, 1, 2, C / 64}, {"conv2d_u8", run_conv2d_u8, 2, 2, 3}};
enum { OPERATORS = sizeof operators / sizeof *operators };
static unsigned char *expected[OPERATORS];

/* Nothing has used the library's own pool yet: its workers would be seen. */
static void check_executor(void) {
    static const int32_t sizes[] = {1, 2, 3, 7, 16};
    unsigned char *out = malloc(MOST_BYTES);
    const int before = threads_of_this_process();
    for (int i = 0; i < OPERATORS; i++)
        for (int s = 0; s < 5; s++) {
            count seen = {0, -1};
            const ob_executor executor = {&seen, sizes[s], run_backwards};
            memset(out, 0x5a, MOST_BYTES);
            CHECK(operators[i].run(out, &executor) == OB_OK, "%s", operators[i].name);
            if (!expected[i])
                expected[i] = memcpy(malloc(MOST_BYTES), out, MOST_BYTES);
            else
                CHECK(!memcmp(out, expected[i], MOST_BYTES), "%s, %d threads", operators[i].name, sizes[s]);
            if (sizes[s] == 3)
                CHECK(seen.stages >= operators[i].least_stages && seen.stages <= operators[i].stages &&
                          seen.fewest >= operators[i].fewest,
                      "%s: %d stages, %d tasks", operators[i].name, (int)seen.stages, (int)seen.fewest);
        }
    CHECK(threads_of_this_process() == before, "%d threads, %d before", threads_of_this_process(), before);
    free(out);
}

static void check_pool(void) {
    unsigned char *out = malloc(MOST_BYTES);
    for (int threads = 1; threads <= 5; threads++)
        for (int i = 0; i < OPERATORS; i++) {
            memset(out, 0x5a, MOST_BYTES);
            ob_set_threads(threads);
            CHECK(operators[i].run(out, NULL) == OB_OK, "%s", operators[i].name);
            CHECK(!memcmp(out, expected[i], MOST_BYTES), "%s, %d threads of the pool", operators[i].name, threads);
        }
    free(out);
}

int main(void) {
    uint64_t seed = 5;
    fill(words, sizeof words, &seed);
    for (int i = 0; i < ROWS * K; i++) reals[i] = (float)(int8_t)(words[i % (1 << 17)] >> 8);
    for (int j = 0; j < N; j++) ones[j] = 1, direction[j] = j % 3 ? 1 : -1, threshold[j] = j % 50 - 25;
    dense_bytes = ob_weights_bytes(N, K), dense_weights = malloc(dense_bytes);
    CHECK(!ob_weights_pack(words, N, K, dense_weights, dense_bytes), "weights");
    conv_bytes = ob_conv_weights_bytes(C, C, 1, kernel), conv_weights = malloc(conv_bytes);
    CHECK(!ob_conv_weights_pack(words, C, C, 1, kernel, conv_weights, conv_bytes), "weights");
    const ob_conv2d_call c = conv_call(NULL);
    const size_t bits = ob_conv2d_workspace(&c, 16), bytes = ob_conv2d_u8_workspace(&c, 16);
    workspace_bytes = bits > bytes ? bits : bytes, workspace = malloc(workspace_bytes);
    check_executor();
    check_pool();
    for (int i = 0; i < OPERATORS; i++) free(expected[i]);
    free(dense_weights), free(conv_weights), free(workspace);
    return finish("test_stages");
}
