/* test_threads.c: the pool runs every task once, has exactly the size asked for, serves concurrent and nested callers,
 * and works in a forked child. */
#define _GNU_SOURCE
#include "check.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

enum { N = 640, K = 4096, M = 24, CALLERS = 6, ROUNDS = 60 };

static uint64_t x[M * K / 64];
static unsigned char *weights;
static size_t weights_bytes;
static int32_t expected[M * N];

static int product_is_right(void) {
    /* Not from malloc: a sanitizer's allocator may be locked for ever in a child that was forked beside a thread. */
    static _Thread_local int32_t y[M * N];
    const ob_epilogue e = {.output = OB_OUTPUT_INT32};
    const ob_dense_call c = {
        .m = M, .n = N, .k = K, .x = x, .weights = weights, .weights_bytes = weights_bytes, .epilogue = &e, .out = y};
    return ob_dense(&c) == OB_OK && !memcmp(y, expected, sizeof expected);
}

static void *call_often(void *wrong) {
    for (int i = 0; i < ROUNDS; i++)
        if (!product_is_right()) atomic_fetch_add((atomic_int *)wrong, 1);
    return NULL;
}

static void *resize_often(void *stop) {
    for (int i = 0; !atomic_load((atomic_int *)stop); i++) ob_set_threads(1 + i % 5);
    return NULL;
}

static void check_concurrent_callers(void) {
    pthread_t callers[CALLERS], resizer;
    atomic_int wrong = 0, stop = 0;
    pthread_create(&resizer, NULL, resize_often, &stop);
    for (int i = 0; i < CALLERS; i++) pthread_create(&callers[i], NULL, call_often, &wrong);
    for (int i = 0; i < CALLERS; i++) pthread_join(callers[i], NULL);
    atomic_store(&stop, 1);
    pthread_join(resizer, NULL);
    CHECK(atomic_load(&wrong) == 0, "%d wrong products", atomic_load(&wrong));
}

static int threads_of_this_process(void) {
    int count = 0;
    char line[256];
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f)) sscanf(line, "Threads: %d", &count);
    if (f) fclose(f);
    return count;
}

/* Workers come with a call and leave soon after a smaller size is set. */
static void check_size_is_exact(int others) {
    if (!threads_of_this_process()) return; /* no such file on this system */
    static const int sizes[] = {1, 4, 2, 7, 1};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        ob_set_threads(sizes[i]);
        CHECK(product_is_right(), "size %d", sizes[i]);
        for (int wait = 0; wait < 2000 && threads_of_this_process() != others + sizes[i]; wait++) usleep(1000);
        CHECK(threads_of_this_process() == others + sizes[i], "%d threads for size %d", threads_of_this_process(),
              sizes[i]);
    }
}

/* In a child: the product is right, and it has started the workers that it lacked. */
static int child_is_right(void) {
    const int alone = threads_of_this_process();
    for (int i = 0; i < 5; i++)
        if (!product_is_right()) return 0;
    return !alone || threads_of_this_process() == alone + 3;
}

static void check_fork(int times) {
    ob_set_threads(4);
    CHECK(product_is_right(), "parent before fork");
    for (int i = 0; i < times; i++) {
        const pid_t child = fork();
        if (child == 0) {
            alarm(30); /* a child that waits for a lock or a worker that it does not have would wait for ever */
            _exit(child_is_right() ? 0 : 1);
        }
        int status = -1;
        CHECK(product_is_right(), "parent beside its child");
        waitpid(child, &status, 0);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0, "child ended with %x", (unsigned)status);
    }
}

typedef struct loop {
    atomic_int stop, wrong;
} loop;

static void *call_until_stopped(void *data) {
    loop *l = data;
    while (!atomic_load(&l->stop))
        if (!product_is_right()) atomic_fetch_add(&l->wrong, 1);
    return NULL;
}

/* A fork finds the pool at work for another thread, which the child does not have. */
static void check_fork_beside_a_caller(void) {
    pthread_t caller;
    loop l = {0};
    pthread_create(&caller, NULL, call_until_stopped, &l);
    check_fork(25);
    atomic_store(&l.stop, 1);
    pthread_join(caller, NULL);
    CHECK(atomic_load(&l.wrong) == 0, "%d wrong products", atomic_load(&l.wrong));
}

/* An executor whose tasks are run by the library's own caller, each of them calling the library again. */
static void run_nested(void *context, int64_t count, void (*task)(void *, int64_t), void *data) {
    atomic_int *inner = context;
    for (int64_t i = 0; i < count; i++) {
        if (product_is_right()) atomic_fetch_add(inner, 1);
        task(data, i);
    }
}

static void check_executor_of_the_caller(void) {
    atomic_int inner = 0;
    const ob_executor nested = {&inner, 3, run_nested};
    int32_t *y = malloc(sizeof expected);
    const ob_epilogue e = {.output = OB_OUTPUT_INT32};
    const ob_dense_call c = {.m = M,
                             .n = N,
                             .k = K,
                             .x = x,
                             .weights = weights,
                             .weights_bytes = weights_bytes,
                             .epilogue = &e,
                             .out = y,
                             .executor = &nested};
    CHECK(ob_dense(&c) == OB_OK && !memcmp(y, expected, sizeof expected), "product");
    CHECK(atomic_load(&inner) >= 3, "only %d tasks for 3 threads", atomic_load(&inner));
    free(y);
}

/* "no-forks": an emulator of processes cannot start threads in a forked one. */
int main(int argc, char **argv) {
    const int forks = argc < 2 || strcmp(argv[1], "no-forks") != 0;
    uint64_t seed = 11, *rows = malloc((size_t)N * K / 8);
    fill(rows, (size_t)N * K / 8, &seed), fill(x, sizeof x, &seed);
    weights_bytes = ob_weights_bytes(N, K), weights = malloc(weights_bytes);
    CHECK(ob_weights_pack(rows, N, K, weights, weights_bytes) == OB_OK, "weights");
    for (int i = 0; i < M; i++)
        for (int j = 0; j < N; j++) {
            int differ = 0;
            for (int w = 0; w < K / 64; w++) differ += __builtin_popcountll(x[i * K / 64 + w] ^ rows[j * K / 64 + w]);
            expected[i * N + j] = K - 2 * differ;
        }
    ob_set_threads(2);
    CHECK(product_is_right(), "first product");
    const int others = threads_of_this_process() - 2; /* a sanitizer starts a thread of its own with the first one */
    check_size_is_exact(others);
    if (forks) {
        check_fork(5);
        check_fork_beside_a_caller();
    }
    check_executor_of_the_caller();
    check_concurrent_callers();
    free(rows), free(weights);
    return finish("test_threads");
}
