/* test_network.c: a network in one call gives what its operators give one by one: for every batch size, number of
 * threads, executor and instruction set, from several threads and in a forked child, and while its weights change. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include "one_by_one.h"

enum { NETWORKS = 150, CALLERS = 4, ROUNDS = 40 };

/* An input and all values that follow from it. */
typedef struct example {
    const random_network *network;
    int64_t batch;
    void *values[MOST_VALUES];
} example;

static example example_new(const random_network *r, int64_t batch, uint64_t seed) {
    example e = {.network = r, .batch = batch};
    const size_t bytes = (size_t)(bytes_of(&r->values[0]) * batch);
    void *x = malloc(bytes + 1);
    fill(x, bytes, &seed);
    for (size_t i = 0; r->values[0].type == OB_TYPE_F32 && i < bytes / 4; i++)
        ((float *)x)[i] = (float)(int32_t)draw(&seed) / 1e8f;
    run_one_by_one(r, batch, x, e.values);
    return e;
}

static void example_free(example *e) {
    for (int32_t v = 0; v < e->network->of.value_count; v++) free(e->values[v]);
}

/* 1 if the network says the same; it writes between guards. */
static int agrees(int64_t number, const example *e, int64_t version, const ob_executor *executor) {
    const random_network *r = e->network;
    guarded out[MOST_VALUES];
    void *outputs[MOST_VALUES];
    const void *inputs[] = {e->values[0]};
    for (int32_t i = 0; i < r->of.output_count; i++) {
        out[i] = guarded_new((size_t)(bytes_of(&r->values[r->outputs[i]]) * e->batch));
        outputs[i] = out[i].data;
    }
    const ob_network_call call = {number,  e->batch, version, inputs, (const void *const *)r->constants,
                                  outputs, executor};
    const ob_status status = ob_network_run(&call);
    int same = status == OB_OK;
    for (int32_t i = 0; i < r->of.output_count; i++) {
        same &= !memcmp(out[i].data, e->values[r->outputs[i]], out[i].bytes) && guarded_intact(&out[i]);
        free(out[i].all);
    }
    return same;
}

static int64_t create(const random_network *r) {
    int64_t number = 0;
    int32_t step = -2;
    const ob_status status = ob_network_create(&r->of, &number, &step);
    CHECK(status == OB_OK && step == -1, "step %d: %s", step, ob_status_text(status));
    return number;
}

/* Backwards, so that whoever counts on an order is wrong. */
static void run_backwards(void *context, int64_t count, void (*task)(void *, int64_t), void *data) {
    (void)context;
    while (count-- > 0) task(data, count);
}

static void check_random_networks(void) {
    static const int64_t batches[] = {3, 1, 0, 17, 1, 2};
    const ob_executor backwards = {NULL, 3, run_backwards};
    int residuals = 0, moves[2] = {0, 0};
    for (uint64_t seed = 0; seed < NETWORKS; seed++) {
        random_network *r = random_network_new(seed);
        const int64_t number = create(r);
        for (int32_t i = 0; i < r->of.step_count; i++) {
            residuals += r->steps[i].residual >= 0;
            moves[0] += r->steps[i].op == OB_STEP_TRANSPOSE, moves[1] += r->steps[i].op == OB_STEP_JOIN;
        }
        for (size_t i = 0; i < sizeof batches / sizeof *batches; i++) {
            ob_set_threads(1 + (int32_t)((seed + i) % 4));
            example e = example_new(r, batches[i], seed + 1000 * i);
            CHECK(agrees(number, &e, 0, i == 3 ? &backwards : NULL), "seed %d, batch %d", (int)seed, (int)e.batch);
            CHECK(agrees(number, &e, i == 4 ? -1 : 0, NULL), "seed %d, batch %d, again", (int)seed, (int)e.batch);
            example_free(&e);
        }
        CHECK(ob_network_destroy(number) == OB_OK, "seed %d", (int)seed);
        CHECK(ob_network_destroy(number) == OB_ERROR_NETWORK, "it is gone");
        random_network_free(r);
    }
    CHECK(residuals >= 20, "only %d steps add a residual", residuals);
    CHECK(moves[0] >= 20 && moves[1] >= 20, "only %d transpositions and %d joints", moves[0], moves[1]);
}

static void check_every_isa(void) {
    ob_kernel_row row;
    for (int32_t i = 0; ob_kernel(i, &row) == OB_OK; i++) {
        if (!row.available || strcmp(row.op, "dense")) continue;
        for (uint64_t seed = 200; seed < 212; seed++) {
            random_network *r = random_network_new(seed);
            const int64_t number = create(r);
            example e = example_new(r, 4, seed); /* by the kernels that are best here */
            CHECK(agrees(number, &e, 0, NULL), "seed %d", (int)seed);
            CHECK(ob_force(row.isa) == OB_OK, "%s", row.isa);
            CHECK(agrees(number, &e, 0, NULL), "seed %d by %s", (int)seed, row.isa);
            for (int32_t s = 0; s < r->of.step_count; s++) {
                const char *ran = "";
                if (r->steps[s].op == OB_STEP_DENSE)
                    CHECK(!ob_ran("dense", &ran) && !strcmp(ran, row.isa), "%s ran", ran);
            }
            CHECK(ob_force(NULL) == OB_OK, "back");
            example_free(&e), ob_network_destroy(number), random_network_free(r);
        }
    }
}

/* ---- several threads ---- */
typedef struct shared {
    int64_t number;
    const random_network *network;
    atomic_int wrong, callers;
} shared;

static void *call_often(void *data) {
    shared *s = data;
    const int64_t batch = 1 + atomic_fetch_add(&s->callers, 1) % 3;
    example e = example_new(s->network, batch, (uint64_t)batch);
    for (int i = 0; i < ROUNDS; i++)
        if (!agrees(s->number, &e, 0, NULL)) atomic_fetch_add(&s->wrong, 1);
    example_free(&e);
    return NULL;
}

static void check_concurrent_callers(void) {
    ob_set_threads(3);
    for (uint64_t seed = 300; seed < 306; seed++) {
        random_network *r = random_network_new(seed);
        shared s = {.number = create(r), .network = r};
        pthread_t callers[CALLERS];
        for (int i = 0; i < CALLERS; i++) pthread_create(&callers[i], NULL, call_often, &s);
        for (int i = 0; i < CALLERS; i++) pthread_join(callers[i], NULL);
        CHECK(atomic_load(&s.wrong) == 0, "%d wrong answers", atomic_load(&s.wrong));
        ob_network_destroy(s.number), random_network_free(r);
    }
}

/* A network may be destroyed while it runs: the run ends well, and those that come later are refused. */
static void *call_until_gone(void *data) {
    shared *s = data;
    example e = example_new(s->network, 2, 5);
    int good = 0;
    while (agrees(s->number, &e, 0, NULL)) good++;
    atomic_fetch_add(&s->callers, good > 0);
    example_free(&e);
    return NULL;
}

static void check_destroyed_while_running(void) {
    random_network *r = random_network_new(303);
    shared s = {.number = create(r), .network = r};
    pthread_t caller;
    pthread_create(&caller, NULL, call_until_gone, &s);
    usleep(50000);
    CHECK(ob_network_destroy(s.number) == OB_OK, "destroyed");
    pthread_join(caller, NULL);
    CHECK(atomic_load(&s.callers) == 1, "it ran before");
    random_network_free(r);
}

static void check_fork(void) {
    ob_set_threads(3);
    random_network *r = random_network_new(301);
    const int64_t number = create(r);
    example e = example_new(r, 3, 1);
    CHECK(agrees(number, &e, 0, NULL), "parent before fork");
    const pid_t child = fork();
    if (child == 0) {
        alarm(30);
        _exit(agrees(number, &e, 0, NULL) && agrees(number, &e, 0, NULL) ? 0 : 1);
    }
    int status = -1;
    CHECK(agrees(number, &e, 0, NULL), "parent beside its child");
    waitpid(child, &status, 0);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0, "child ended with %x", (unsigned)status);
    example_free(&e), ob_network_destroy(number), random_network_free(r);
}

/* ---- constants ---- */

/* Weights that change in place need another version; weights that stand elsewhere need nothing. */
static void check_changed_constants(void) {
    for (uint64_t seed = 400; seed < 420; seed++) {
        random_network *r = random_network_new(seed), *other = random_network_new(seed);
        const int64_t number = create(r);
        for (int32_t i = 0; i < r->of.step_count; i++) {
            if (r->steps[i].arrays[OB_ARRAY_WEIGHTS] < 0) continue;
            unsigned char *weights = other->constants[r->steps[i].arrays[OB_ARRAY_WEIGHTS]];
            weights[64] ^= 1; /* the first weight of the first channel */
        }
        example e = example_new(r, 2, seed), changed = example_new(other, 2, seed);
        CHECK(agrees(number, &e, 0, NULL), "seed %d", (int)seed);
        CHECK(agrees(number, &changed, 0, NULL), "elsewhere, seed %d", (int)seed);
        CHECK(agrees(number, &e, 0, NULL), "and back, seed %d", (int)seed);
        for (int32_t c = 0; c < r->of.constant_count; c++)
            memcpy(r->constants[c], other->constants[c], (size_t)r->constant_bytes[c]);
        example again = example_new(r, 2, seed);
        CHECK(agrees(number, &again, 1, NULL), "in place, seed %d", (int)seed);
        example_free(&e), example_free(&changed), example_free(&again);
        ob_network_destroy(number), random_network_free(r), random_network_free(other);
    }
}

/* "no-forks": an emulator of processes cannot start threads in a forked one. */
int main(int argc, char **argv) {
    check_random_networks();
    check_every_isa();
    check_concurrent_callers();
    check_destroyed_while_running();
    if (argc < 2 || strcmp(argv[1], "no-forks") != 0) check_fork();
    check_changed_constants();
    return finish("test_network");
}
