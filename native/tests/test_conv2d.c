/* test_conv2d.c: every kernel of ob_conv2d, ob_conv2d_u8 and _s8 that this CPU can run computes the sums of an obvious
 * loop over numbers, for every window, padding, pad value, group and output kind, whatever the threads, and touches
 * nothing else. */
#include "conv2d_problem.h"

static ob_status run_conv2d(void *context, const ob_epilogue *e, void *out) {
    problem *p = context;
    ob_conv2d_call *c = &p->call;
    const size_t bytes = p->u8 == SIGNED ? ob_conv2d_s8_workspace(c, 3)
                         : p->u8         ? ob_conv2d_u8_workspace(c, 3)
                                         : ob_conv2d_workspace(c, 3);
    guarded workspace = guarded_new(bytes);
    c->epilogue = e, c->out = out, c->workspace = workspace.data, c->workspace_bytes = bytes;
    const ob_status status = p->u8 == SIGNED ? ob_conv2d_s8(c) : p->u8 ? ob_conv2d_u8(c) : ob_conv2d(c);
    CHECK(guarded_intact(&workspace), "wrote outside of the workspace, %s", text(p));
    free(workspace.all);
    return status;
}

/* What runs where `isa` is forced: amx multiplies whole words only, and leaves the rest to the next. */
static const char *runs_for(const problem *p, const char *isa) {
    const ob_conv2d_call *c = &p->call;
    const int whole = c->groups == 1 || (c->c / c->groups % 64 == 0 && c->n / c->groups % 16 == 0);
    return strcmp(isa, "amx") || whole ? isa : "avx512vpopcnt";
}

/* One call of one epilogue on the active kernel, compared byte for byte. */
static void check_output(problem *p, int variant, const ob_executor *executor, const char *isa) {
    char what[340];
    const char *ran;
    snprintf(what, sizeof what, "%s %s", isa, text(p));
    p->call.executor = executor;
    check_epilogue(&p->all, variant, run_conv2d, p, what);
    ob_ran(p->u8 ? "conv2d_u8" : "conv2d", &ran);
    CHECK(!strcmp(ran, runs_for(p, isa)), "%s ran for %s: %s", ran, isa, text(p));
}

/* An executor of the caller: runs the tasks backwards, one after the other. */
static void run_backwards(void *context, int64_t count, void (*task)(void *, int64_t), void *data) {
    *(int64_t *)context += count;
    while (count-- > 0) task(data, count);
}

static void check_call(const ob_conv2d_call *call, int u8, uint64_t seed) {
    problem p = problem_new(call, u8, seed);
    int64_t ran = 0;
    const ob_executor backwards = {&ran, 5, run_backwards};
    ob_kernel_row row;
    for (int32_t i = 0; ob_kernel(i, &row) == OB_OK; i++) {
        if (strcmp(row.op, u8 ? "conv2d_u8" : "conv2d") || !row.available) continue;
        CHECK(ob_force(row.isa) == OB_OK, "%s", row.isa);
        /* int32 and bits always, the many float epilogues in turn */
        const int turn = (int)(p.m + call->n + call->c) % 6;
        for (int v = 0; v < EPILOGUES; v = v < EPILOGUE_BITS ? v + 1 : v < EPILOGUE_FLOATS ? 2 + turn : v + 6) {
            CHECK(ob_set_threads(1 + (int32_t)(seed % 3)) == OB_OK, "threads");
            check_output(&p, v, draw(&seed) % 3 ? NULL : &backwards, row.isa);
        }
    }
    ob_force(NULL);
    problem_free(&p);
}

/* A call with one axis of the space drawn after the other; every window fits. */
static ob_conv2d_call draw_call(uint64_t *seed) {
    ob_conv2d_call c = {.batch = 1 + (int64_t)(draw(seed) % 2), .groups = 1};
    for (int a = 0; a < 2; a++) {
        c.kernel[a] = 1 + (int32_t)(draw(seed) % 5);
        c.stride[a] = 1 + (int32_t)(draw(seed) % 3);
        c.dilation[a] = draw(seed) % 3 ? 1 : 2 + (int32_t)(draw(seed) % 2);
        for (int side = 0; side < 2; side++) c.padding[2 * a + side] = draw(seed) % 3 ? (int32_t)(draw(seed) % 4) : 0;
        int64_t *size = a ? &c.width : &c.height;
        *size = 1 + (int64_t)(draw(seed) % 9);
        /* Often the kernel is larger than the picture; the padding then has to make room for it. */
        while (*size + c.padding[2 * a] + c.padding[2 * a + 1] <= c.dilation[a] * (c.kernel[a] - 1))
            c.padding[2 * a + (int)(draw(seed) % 2)]++;
    }
    c.pad_value = (int32_t)(draw(seed) % 3) - 1;
    static const int32_t multipliers[] = {2, 2, 1, 0, -1, 64, -64, 65, -65, 127, -128, 1000};
    c.multiplier = multipliers[draw(seed) % (sizeof multipliers / sizeof *multipliers)];
    c.offset = draw(seed) % 2 ? -255 : (int32_t)(draw(seed) % 600) - 300;
    return c;
}

static void set_groups(ob_conv2d_call *c, int64_t groups, int64_t group_c, int64_t group_n) {
    c->groups = (int32_t)groups, c->c = groups * group_c, c->n = groups * group_n;
}

static void check_channels(int u8) {
    static const int64_t edges[] = {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 130};
    enum { EDGES = sizeof edges / sizeof *edges };
    uint64_t seed = 3 + (uint64_t)u8;
    for (int a = 0; a < EDGES; a++)
        for (int b = 0; b < EDGES; b += 1 + a % 2) {
            ob_conv2d_call c = draw_call(&seed);
            c.c = edges[a], c.n = edges[b];
            check_call(&c, u8, draw(&seed));
        }
    for (int64_t channels = 1; channels <= 130; channels++) {
        ob_conv2d_call c = draw_call(&seed);
        c.c = channels, c.n = 1 + (int64_t)(draw(&seed) % 40);
        check_call(&c, u8, draw(&seed));
    }
}

static void check_groups(int u8) {
    static const int64_t group_sizes[] = {1, 2, 3, 5, 16, 24, 40, 63, 64, 65, 100, 128};
    enum { SIZES = sizeof group_sizes / sizeof *group_sizes };
    static const int64_t outputs[] = {1, 2, 3, 8, 16, 32, 48};
    uint64_t seed = 5 + (uint64_t)u8;
    for (int a = 0; a < SIZES; a++)
        for (size_t b = 0; b < sizeof outputs / sizeof *outputs; b++) {
            ob_conv2d_call c = draw_call(&seed);
            set_groups(&c, 2 + (int64_t)(draw(&seed) % 3), group_sizes[a], outputs[b]);
            check_call(&c, u8, draw(&seed));
        }
    static const int64_t depthwise[] = {2, 7, 8, 9, 63, 64, 65, 130};
    for (size_t a = 0; a < sizeof depthwise / sizeof *depthwise; a++)
        for (int64_t multiple = 1; multiple <= 2; multiple++) {
            ob_conv2d_call c = draw_call(&seed);
            set_groups(&c, depthwise[a], 1, multiple);
            check_call(&c, u8, draw(&seed));
        }
}

/* Each window on its own: kernel 1 to 5, stride, dilation, pads and pad values around a picture of few sizes. */
static void check_windows(int u8) {
    uint64_t seed = 9 + (uint64_t)u8;
    for (int32_t kernel = 1; kernel <= 5; kernel++)
        for (int64_t size = 1; size <= 6; size++)
            for (int32_t pad_value = -1; pad_value <= 1; pad_value++)
                for (int again = 0; again < 2; again++) {
                    ob_conv2d_call c = draw_call(&seed);
                    c.kernel[again] = kernel, c.pad_value = pad_value, c.c = 65, c.n = 17;
                    if (again)
                        c.width = size;
                    else
                        c.height = size;
                    while ((again ? c.width : c.height) + c.padding[2 * again] + c.padding[2 * again + 1] <=
                           c.dilation[again] * (kernel - 1))
                        c.padding[2 * again + 1]++;
                    check_call(&c, u8, draw(&seed));
                }
}

/* Few windows, as of a kernel as large as its picture: their words around the lengths at which kernels change. */
static void check_few_windows(void) {
    static const int64_t words[] = {1, 2, 3, 8, 15, 16, 17, 31, 32, 33, 100, 513};
    uint64_t seed = 17;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        for (int64_t batch = 1; batch <= 5; batch++) {
            ob_conv2d_call c = {.batch = batch,
                                .height = 1,
                                .width = 1,
                                .c = words[i] * 64 - (int64_t)(draw(&seed) % 64),
                                .n = 1 + (int64_t)(draw(&seed) % 150),
                                .kernel = {1, 1},
                                .stride = {1, 1},
                                .dilation = {1, 1},
                                .groups = 1};
            check_call(&c, 0, draw(&seed));
            if (words[i] > 40) continue;
            c.height = c.kernel[0] = 3, c.width = c.kernel[1] = 2; /* neighbouring words */
            check_call(&c, 0, draw(&seed));
            c.width = 3, c.dilation[1] = 2, c.pad_value = (int32_t)(draw(&seed) % 3) - 1; /* not neighbouring */
            c.padding[draw(&seed) % 4] = 1;
            check_call(&c, 0, draw(&seed));
            c.height = c.width = 1 + (int64_t)(draw(&seed) % 2), c.kernel[0] = c.kernel[1] = 3, c.dilation[1] = 1;
            for (int side = 0; side < 4; side++) c.padding[side] = 1;
            check_call(&c, 0, draw(&seed));
        }
}

/* Shared out over rows, channels and pictures. */
static void check_large(int u8) {
    ob_conv2d_call c = {.batch = 3,
                        .height = 20,
                        .width = 13,
                        .c = 128,
                        .n = 200,
                        .kernel = {3, 3},
                        .stride = {1, 1},
                        .padding = {1, 1, 1, 1},
                        .dilation = {1, 1},
                        .groups = 1,
                        .multiplier = 2,
                        .offset = -255};
    for (c.pad_value = -1; c.pad_value <= 1; c.pad_value++) check_call(&c, u8, 2);
    c.batch = 1, c.height = c.width = 7, c.c = 300, c.n = 310, c.pad_value = 0;
    check_call(&c, u8, 1);
    c.batch = 2, c.c = 192, c.n = 192, c.groups = 3;
    check_call(&c, u8, 2);
    c.batch = 0;
    check_call(&c, u8, 1);
    c = (ob_conv2d_call){.batch = 1,
                         .height = 1,
                         .width = 2,
                         .c = 8200,
                         .n = 9,
                         .kernel = {1, 2},
                         .stride = {1, 1},
                         .dilation = {INT32_MAX, 1},
                         .groups = 1,
                         .multiplier = 1};
    check_call(&c, u8, 2);
    c.stride[0] = c.stride[1] = INT32_MAX;
    check_call(&c, u8, 2);
    c.stride[0] = c.stride[1] = 1, c.height = 7, c.width = 12, c.n = 70; /* windows of 258 words */
    check_call(&c, u8, 1);
    c.height = 1, c.width = 5, c.c = 66000, c.n = 10; /* 2064 words */
    check_call(&c, u8, 1);
}

int main(void) {
    for (int u8 = 0; u8 <= SIGNED; u8++) {
        check_windows(u8);
        check_channels(u8);
        check_groups(u8);
        check_large(u8);
    }
    check_few_windows();
    return finish("test_conv2d");
}
