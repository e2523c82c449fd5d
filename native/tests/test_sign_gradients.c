/* test_sign_gradients.c: every kernel of ob_sign_gradients finds the sums of onebit.h's definition, to the last bit of
 * the floats, for nearest and stochastic rounding, whatever the sizes, windows, threads and alignments; it touches
 * nothing else; gradients that are no numbers show; wrong arguments earn their own status. */
#include "sign_gradients_problem.h"

static void run_backwards(void *context, int64_t count, void (*task)(void *, int64_t), void *data) {
    *(int64_t *)context += count;
    while (count-- > 0) task(data, count);
}

static int same(const float *found, const float *expected, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (!(found[i] == expected[i])) return 0;
    return 1;
}

/* One instruction set: with the gradients asked for (1: of x, 2: of w, 3). */
static void check_isa(const problem *p, const char *isa, int wanted, uint64_t *seed) {
    ob_sign_gradients_call c = p->call;
    int64_t tasks = 0;
    const ob_executor backwards = {&tasks, 3, run_backwards};
    guarded x = guarded_new(p->x_count * 4), w = guarded_new(p->w_count * 4);
    c.x_gradient = wanted & 1 ? (float *)(void *)x.data : NULL;
    c.w_gradient = wanted & 2 ? (float *)(void *)w.data : NULL;
    c.executor = draw(seed) % 2 ? &backwards : NULL;
    c.workspace_bytes = ob_sign_gradients_workspace(&c);
    const size_t shift = draw(seed) % 16;
    guarded work = guarded_new(c.workspace_bytes + shift);
    c.workspace = work.data + shift;
    ob_force(isa);
    const ob_status status = ob_sign_gradients(&c);
    CHECK(status == OB_OK, "%s: %s", isa, ob_status_text(status));
    const char *text =
        "%s, wanted %d, batch %d picture %dx%d c %d n %d kernel %dx%d stride %d %d dilation %d %d pad %d";
#define SIZES                                                                                                          \
    isa, wanted, (int)c.batch, (int)c.height, (int)c.width, (int)c.c, (int)c.n, c.kernel[0], c.kernel[1], c.stride[0], \
        c.stride[1], c.dilation[0], c.dilation[1], c.pad_value
    CHECK(!(wanted & 1) || same((const float *)(void *)x.data, p->x_expected, p->x_count), text, SIZES);
    CHECK(!(wanted & 2) || same((const float *)(void *)w.data, p->w_expected, p->w_count), text, SIZES);
    CHECK(guarded_intact(&x) && guarded_intact(&w) && guarded_intact(&work), "%s wrote outside", isa);
    ob_force(NULL);
    free(x.all), free(w.all), free(work.all);
}

/* As behind a max pool: in each window of 2 x 2, one gradient of each channel stays; `more` windows get another. */
static void pool(problem *p, int more, uint64_t *seed) {
    const int64_t n = p->call.n, height = p->out_height, width = p->out_width;
    for (int64_t i = 0; i < p->call.batch * height * width * n; i++) {
        const int64_t channel = i % n, x = i / n % width, y = i / n / width % height, picture = i / n / width / height;
        const uint64_t stays = (uint64_t)(((picture * 31 + y / 2) * 17 + x / 2) * 7 + channel * 5) * 2654435761u >> 13;
        const int inside = y < height / 2 * 2 && x < width / 2 * 2;
        if (!inside || stays % 4 != (uint64_t)(y % 2 * 2 + x % 2)) p->g[i] = 0;
    }
    while (more-- > 0) p->g[draw(seed) % p->g_count] = 1e-4f;
    obvious(p);
}

/* A pooled problem whose next calls have the values of windows and their places. */
typedef struct windows {
    float *values;
    unsigned char *which;
} windows;

static windows windows_of(problem *p, uint64_t *seed) {
    pool(p, 0, seed);
    const int64_t n = p->call.n, tall = p->out_height / 2, wide = p->out_width / 2, row = p->out_width * n;
    const size_t count = (size_t)(p->call.batch * tall * wide * n);
    const windows w = {malloc(count * 4 + 4), malloc(count + 1)};
    for (size_t i = 0; i < count; i++) {
        const int64_t j = (int64_t)i % n, x = (int64_t)i / n % wide, y = (int64_t)i / n / wide % tall;
        const float *at = p->g + ((int64_t)i / n / wide / tall * p->out_height + 2 * y) * row + 2 * x * n + j;
        const float four[4] = {at[0], at[n], at[row], at[row + n]};
        w.which[i] = (unsigned char)(i % 4);
        for (int place = 0; place < 4; place++)
            if (four[place] != 0) w.which[i] = (unsigned char)place;
        w.values[i] = four[w.which[i]];
    }
    p->call.upstream = w.values, p->call.which = w.which;
    return w;
}

static void check_isas(problem *p, uint64_t seed) {
    ob_kernel_row row;
    for (int32_t i = 0; ob_kernel(i, &row) == OB_OK; i++) {
        const char *ran;
        if (strcmp(row.op, "gradient_x") || !row.available) continue;
        ob_set_threads(1 + (int32_t)(draw(&seed) % 3));
        check_isa(p, row.isa, 3, &seed);
        ob_ran("gradient_w", &ran);
        CHECK(!strcmp(ran, row.isa), "%s ran in place of %s", ran, row.isa);
        check_isa(p, row.isa, 1 + (int)(draw(&seed) % 2), &seed);
    }
}

static void check_problem(ob_sign_gradients_call call, uint64_t seed) {
    problem p = problem_of(call, seed);
    check_isas(&p, seed);
    problem_free(&p);
}

static void check_sizes(void) {
    static const int channels[] = {1, 3, 15, 16, 17, 63, 64, 65, 130};
    uint64_t seed = 20;
    for (int round = 0; round < 60; round++) {
        ob_sign_gradients_call c = {.batch = 1 + (int64_t)(draw(&seed) % 3),
                                    .height = 1 + (int64_t)(draw(&seed) % 9),
                                    .width = 1 + (int64_t)(draw(&seed) % 9),
                                    .c = channels[draw(&seed) % 9],
                                    .n = channels[draw(&seed) % 9],
                                    .pad_value = (int32_t)(draw(&seed) % 3) - 1};
        for (int d = 0; d < 2; d++) {
            c.kernel[d] = 1 + (int32_t)(draw(&seed) % 4), c.stride[d] = 1 + (int32_t)(draw(&seed) % 3);
            c.dilation[d] = 1 + (int32_t)(draw(&seed) % 2);
            for (int side = 0; side < 2; side++) c.padding[2 * d + side] = (int32_t)(draw(&seed) % 4);
        }
        if (c.height + c.padding[0] + c.padding[1] <= c.dilation[0] * (c.kernel[0] - 1)) continue;
        if (c.width + c.padding[2] + c.padding[3] <= c.dilation[1] * (c.kernel[1] - 1)) continue;
        check_problem(c, draw(&seed));
    }
}

/* More positions than a panel holds, more rows than a task takes, a linear layer, an empty batch. */
static void check_lengths(void) {
    const ob_sign_gradients_call window = {
        .kernel = {3, 3}, .stride = {1, 1}, .padding = {1, 1, 1, 1}, .dilation = {1, 1}};
    ob_sign_gradients_call c = window;
    c.batch = 2, c.height = 21, c.width = 19, c.c = 5, c.n = 20;
    check_problem(c, 31);
    c = window;
    c.batch = 2, c.height = 2, c.width = 3, c.c = 66, c.n = 600;
    check_problem(c, 32);
    c = window;
    c.kernel[0] = c.kernel[1] = 1, c.padding[0] = c.padding[1] = c.padding[2] = c.padding[3] = 0;
    c.batch = 70, c.height = c.width = 1, c.c = 100, c.n = 33;
    check_problem(c, 33);
    c.batch = 0;
    check_problem(c, 34);
    c = window;
    c.batch = 3, c.height = 1, c.width = 1, c.c = 64, c.n = 7, c.stride[0] = 2, c.stride[1] = 3; /* of one phase */
    check_problem(c, 35);
}

/* Sums that are looked up: strips of rows and of pictures, more channels than a set or a block has, more positions than
 * a part, several segments and one. */
static void check_looked_up(void) {
    static const int64_t sizes[][5] = {
        {2, 30, 25, 64, 20}, {9, 5, 7, 130, 70}, {1, 3, 400, 32, 3}, {3, 17, 16, 257, 5}, {2, 4, 4, 520, 460}};
    static const char *const isas[] = {"scalar", "avx512vpopcnt"};
    for (int i = 0; i < 5; i++) {
        ob_sign_gradients_call c = {.kernel = {3, 2 + i % 2}, .stride = {1, 1}, .dilation = {1, 1 + i / 2 % 2}};
        c.batch = sizes[i][0], c.height = sizes[i][1], c.width = sizes[i][2], c.c = sizes[i][3], c.n = sizes[i][4];
        c.padding[0] = i % 3, c.padding[1] = 1, c.padding[2] = 2, c.padding[3] = i % 2, c.pad_value = i % 3 - 1;
        problem p = problem_of(c, (uint64_t)(70 + i));
        for (int j = 0; j < 2; j++) {
            const char *ran;
            uint64_t seed = (uint64_t)(80 + i);
            if (ob_force(isas[j]) != OB_OK || (j && !strstr(ob_cpu_features(), "quickpermw"))) continue;
            ob_set_threads(1 + i % 3);
            for (int wanted = 1; wanted <= 3; wanted++) check_isa(&p, isas[j], wanted, &seed);
            ob_ran("gradient_lookup", &ran);
            CHECK(!strcmp(ran, isas[j]), "%s ran in place of %s", ran, isas[j]);
        }
        ob_force(NULL);
        problem_free(&p);
    }
}

static ob_sign_gradients_call same_size(int64_t batch, int64_t height, int64_t width) {
    return (ob_sign_gradients_call){.batch = batch,
                                    .height = height,
                                    .width = width,
                                    .c = 3,
                                    .n = 2,
                                    .kernel = {3, 3},
                                    .stride = {1, 1},
                                    .padding = {1, 1, 1, 1},
                                    .dilation = {1, 1}};
}

/* Whole pictures in a strip, parts of one, single rows; sizes that leave a row or column out. */
static void check_pooled(void) {
    static const int64_t sizes[][3] = {{5, 2, 2}, {9, 7, 7}, {1, 3, 2}, {2, 31, 30}, {1, 5, 201}, {40, 6, 5}};
    static const int64_t channels[][2] = {{3, 2}, {70, 33}, {64, 16}, {130, 5}};
    uint64_t seed = 60;
    for (int round = 0; round < 24; round++) {
        ob_sign_gradients_call c = same_size(sizes[round % 6][0], sizes[round % 6][1], sizes[round % 6][2]);
        c.c = channels[round / 6][0], c.n = channels[round / 6][1], c.pad_value = round % 3 - 1;
        problem p = problem_of(c, draw(&seed));
        p.call.stochastic = round % 8 == 7;
        pool(&p, round % 5 == 4, &seed);
        check_isas(&p, draw(&seed));
        const windows w = windows_of(&p, &seed);
        check_isas(&p, draw(&seed));
        free(w.values), free(w.which);
        problem_free(&p);
    }
}

/* Places of windows in calls that do not go by windows: another kernel, stride or rounding, no whole window. */
static void check_places(void) {
    uint64_t seed = 65;
    for (int round = 0; round < 16; round++) {
        ob_sign_gradients_call c = same_size(2, 1 + round % 7, 2 + round % 5);
        c.n = 5, c.kernel[round % 2] = 1 + round % 3, c.stride[round / 2 % 2] = 1 + round % 2;
        problem p = problem_of(c, draw(&seed));
        const windows w = windows_of(&p, &seed);
        check_isas(&p, draw(&seed));
        free(w.values), free(w.which);
        problem_free(&p);
    }
}

static void check_numbers_that_are_none_pooled(void) {
    problem p = problem_of(same_size(2, 2, 2), 41);
    uint64_t seed = 42;
    p.call.stochastic = 0;
    pool(&p, 0, &seed);
    for (size_t i = 9; i < 16; i += 2) p.g[i] = i == 13 ? HUGE_VALF : 0; /* picture 1, channel 1 */
    float x[24], w[54];
    p.call.x_window = p.call.w_window = NULL, p.call.x_gradient = x, p.call.w_gradient = w;
    p.call.workspace_bytes = ob_sign_gradients_workspace(&p.call);
    p.call.workspace = malloc(p.call.workspace_bytes);
    CHECK(ob_sign_gradients(&p.call) == OB_OK, "refused");
    for (int i = 0; i < 24; i++) CHECK(!isfinite(x[i]) == (i >= 12), "x %d: %g", i, (double)x[i]);
    for (int i = 0; i < 54; i++) CHECK(!isfinite(w[i]) == (i >= 27), "w %d: %g", i, (double)w[i]);
    free(p.call.workspace);
    problem_free(&p);
}

static void check_numbers_that_are_none(void) {
    ob_sign_gradients_call c = {
        .batch = 2, .height = 1, .width = 1, .c = 3, .n = 2, .kernel = {1, 1}, .stride = {1, 1}, .dilation = {1, 1}};
    static const uint32_t wrong[] = {0x7fc00000u, 0x7f800000u, 0xff800000u}; /* NaN and both infinities */
    for (int which = 0; which < 3; which++) {
        problem p = problem_of(c, 40);
        float x[6], w[6], bad;
        unsigned char work[1 << 14];
        memcpy(&bad, &wrong[which], 4);
        p.g[3] = bad; /* picture 1, channel 1 */
        p.call.x_window = p.call.w_window = NULL;
        p.call.x_gradient = x, p.call.w_gradient = w, p.call.workspace = work, p.call.workspace_bytes = sizeof work;
        CHECK(ob_sign_gradients(&p.call) == OB_OK, "refused");
        for (int i = 0; i < 3; i++) {
            CHECK(isfinite(x[i]) && !isfinite(x[3 + i]), "x %d: %g %g", i, (double)x[i], (double)x[3 + i]);
            CHECK(isfinite(w[i]) && !isfinite(w[3 + i]), "w %d: %g %g", i, (double)w[i], (double)w[3 + i]);
        }
        problem_free(&p);
    }
}

static void check_status(ob_sign_gradients_call c, ob_status expected) {
    const ob_status status = ob_sign_gradients(&c);
    CHECK(status == expected, "%s, expected %s", ob_status_text(status), ob_status_text(expected));
}

static void check_arguments(void) {
    ob_sign_gradients_call good = {
        .batch = 2, .height = 4, .width = 4, .c = 3, .n = 2, .kernel = {3, 3}, .stride = {1, 1}, .dilation = {1, 1}};
    problem p = problem_of(good, 50);
    unsigned char work[1 << 15];
    float x[96], w[54];
    good = p.call;
    good.x_gradient = x, good.w_gradient = w, good.workspace = work, good.workspace_bytes = sizeof work;
    check_status(good, OB_OK);
    CHECK(ob_sign_gradients(NULL) == OB_ERROR_NULL && !ob_sign_gradients_workspace(NULL), "NULL");
#define WRONG(change, status)            \
    do {                                 \
        ob_sign_gradients_call c = good; \
        change;                          \
        check_status(c, status);         \
    } while (0)
    WRONG(c.upstream = NULL, OB_ERROR_NULL);
    WRONG(c.x = NULL, OB_ERROR_NULL);
    WRONG(c.w = NULL, OB_ERROR_NULL);
    WRONG(c.workspace = NULL, OB_ERROR_WORKSPACE);
    WRONG(c.workspace_bytes = ob_sign_gradients_workspace(&good) - 1, OB_ERROR_WORKSPACE);
    WRONG(c.batch = -1, OB_ERROR_SIZE);
    WRONG(c.batch = INT64_MAX / 2, OB_ERROR_SIZE);
    WRONG(c.batch = 1 << 22, OB_ERROR_SIZE);
    WRONG(c.n = 1 << 21, OB_ERROR_SIZE);
    WRONG(c.c = 0, OB_ERROR_SIZE);
    WRONG(c.height = 0, OB_ERROR_SIZE);
    WRONG(c.kernel[0] = 5, OB_ERROR_WINDOW);
    WRONG(c.stride[1] = 0, OB_ERROR_WINDOW);
    WRONG(c.padding[3] = -1, OB_ERROR_WINDOW);
    WRONG(c.pad_value = 2, OB_ERROR_PAD_VALUE);
    problem_free(&p);
}

int main(void) {
    check_sizes();
    check_lengths();
    check_looked_up();
    check_pooled();
    check_places();
    check_numbers_that_are_none();
    check_numbers_that_are_none_pooled();
    check_arguments();
    return finish("test_sign_gradients");
}
