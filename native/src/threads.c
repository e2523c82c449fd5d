/* threads.c: the library's pool.
 *
 * A job is a row of stages, one for a single operator. Workers start with the first job that needs them, then wait: a
 * short spin, because calls follow each other closely, then sleep. Inside a job nobody sleeps and nobody is waited for
 * who holds no task: every thread takes tasks of the open stage, first from a share of its own (which finds its
 * weights and pictures in its own cache when the network runs again), then from the others', and whoever finishes the
 * stage's last task opens the next one. So a step costs two passes of a cache line between cores, and a busy machine
 * no more than the work itself. A worker that comes late, even one that was asleep since the job before, can do no
 * harm: all it touches is the pool's own memory until it holds a task, and then the job cannot end without it.
 *
 * While one caller has the pool, another runs its tasks alone: its own core is the only one it could count on. A task
 * that calls the library again does the same. A forked child finds the pool empty and starts its own. The lock is for
 * those who sleep or start. */
#define _GNU_SOURCE
#include "threads.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

enum {
    MOST_THREADS = 1024,
    SPINS = 2000,
    LINE = 128,      /* two cache lines: processors fetch them in pairs */
    SHARES = 64,     /* of a stage; with more threads than that, nobody's share is its own */
    FIELD_BITS = 24, /* of a share: stage, end and next task, from the top bits down */
    MOST_TASKS = 1 << (FIELD_BITS - 1),
    MOST_STAGES = 1 << 15,
    ALL_DONE = -1 /* in place of the open stage */
};
static const uint64_t FIELD = (1 << FIELD_BITS) - 1;

static struct {
    /* the job: written while no task is held, read by those who hold one */
    _Alignas(LINE) const ob_stage *stages;
    int64_t stage_count;
    atomic_int shares; /* how many of them there are, and so how many threads take part */
    _Alignas(LINE) atomic_int stage;
    _Alignas(LINE) atomic_llong done; /* tasks of the open stage that are done, and 1 for opening it */
    struct {
        _Alignas(LINE) atomic_ullong next;
    } share[SHARES];
    _Alignas(LINE) atomic_uint sequence; /* counts jobs and changes of size: what a waiting worker watches */
    _Alignas(LINE) atomic_flag taken;    /* some caller has the pool */
    atomic_int size, workers; /* size: threads wanted, the caller included; workers: threads that exist beside it */
    atomic_int asleep;        /* workers that sleep or are about to */
    pthread_mutex_t lock;     /* of those who sleep, and of what follows */
    unsigned char exists[MOST_THREADS], sleeps[MOST_THREADS]; /* of worker number 1 to size - 1 */
    pthread_cond_t work[MOST_THREADS];                        /* a new job, or a new size, for that worker */
} pool = {.stage = ALL_DONE, .taken = ATOMIC_FLAG_INIT, .lock = PTHREAD_MUTEX_INITIALIZER};

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void relax(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

int32_t ob_cpus(void) {
#if defined(__linux__)
    cpu_set_t set;
    if (!sched_getaffinity(0, sizeof set, &set) && CPU_COUNT(&set) > 0)
        return CPU_COUNT(&set) < MOST_THREADS ? CPU_COUNT(&set) : MOST_THREADS;
#endif
    const long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count < 1 ? 1 : count < MOST_THREADS ? (int32_t)count : MOST_THREADS;
}

/* In a forked child no worker exists, and the lock may have been held by a thread that does not exist either. */
static void forget_workers(void) {
    pthread_mutex_init(&pool.lock, NULL);
    for (int number = 0; number < MOST_THREADS; number++) pthread_cond_init(&pool.work[number], NULL);
    memset(pool.exists, 0, sizeof pool.exists);
    memset(pool.sleeps, 0, sizeof pool.sleeps);
    atomic_store(&pool.workers, 0);
    atomic_store(&pool.asleep, 0);
    for (int i = 0; i < SHARES; i++) atomic_store(&pool.share[i].next, 0);
    atomic_store(&pool.stage, ALL_DONE);
    atomic_flag_clear(&pool.taken);
}

static void start(void) {
    atomic_store(&pool.size, ob_cpus());
    for (int number = 0; number < MOST_THREADS; number++) pthread_cond_init(&pool.work[number], NULL);
    pthread_atfork(NULL, NULL, forget_workers);
}

/* ---- stages ---- */

static void open_stage(int64_t number) {
    const int64_t count = pool.stages[number].count, shares = atomic_load(&pool.shares);
    atomic_store(&pool.done, 0);
    for (int64_t i = 0; i < shares; i++) {
        const uint64_t first = (uint64_t)(count * i / shares), end = (uint64_t)(count * (i + 1) / shares);
        atomic_store(&pool.share[i].next, (uint64_t)number << 2 * FIELD_BITS | end << FIELD_BITS | first);
    }
    atomic_store(&pool.stage, (int)number);
}

/* `tasks` of the open stage are done; after the last one, the next stage is opened, which counts as one of its own. So
 * a stage cannot end while it is being opened. */
static void finish_tasks(int64_t number, int64_t tasks) {
    for (;; tasks = 1) {
        const int64_t all = pool.stages[number].count + 1, stages = pool.stage_count;
        if (atomic_fetch_add(&pool.done, tasks) + tasks < all) return;
        if (++number == stages) {
            atomic_store(&pool.stage, ALL_DONE);
            return;
        }
        open_stage(number);
    }
}

/* Takes tasks until none is left. Where a share turns out to be of a later stage, nothing is unfinished of the former
 * one, and the task is as good. */
static void take_tasks(int64_t number, int own) {
    int64_t done = 0;
    const int shares = atomic_load(&pool.shares);
    for (int i = 0; i < shares; i++) {
        atomic_ullong *next = &pool.share[(own + i) % shares].next;
        for (;;) {
            const uint64_t got = atomic_fetch_add(next, 1);
            if ((got & FIELD) >= (got >> FIELD_BITS & FIELD)) break;
            number = (int64_t)(got >> 2 * FIELD_BITS);
            pool.stages[number].task(pool.stages[number].data, (int64_t)(got & FIELD));
            done++;
        }
    }
    if (done) finish_tasks(number, done);
}

static void take_part(int own) {
    for (int number; (number = atomic_load(&pool.stage)) != ALL_DONE;) {
        take_tasks(number, own);
        for (int i = 0; atomic_load_explicit(&pool.stage, memory_order_relaxed) == number; i++)
            if (i < SPINS)
                relax();
            else
                sched_yield(); /* somebody holds a task and may wait for this core */
    }
}

/* ---- workers ---- */

static void wait_for_change(int number, unsigned seen) {
    for (int i = 0; i < SPINS && atomic_load_explicit(&pool.sequence, memory_order_relaxed) == seen; i++) relax();
    if (atomic_load(&pool.sequence) != seen) return;
    pthread_mutex_lock(&pool.lock);
    pool.sleeps[number] = 1;
    atomic_fetch_add(&pool.asleep, 1); /* before it looks again: whoever counts on now sees that it must wake */
    while (atomic_load(&pool.sequence) == seen) pthread_cond_wait(&pool.work[number], &pool.lock);
    atomic_fetch_sub(&pool.asleep, 1);
    pool.sleeps[number] = 0;
    pthread_mutex_unlock(&pool.lock);
}

static int one_too_many(int number) {
    if (number < atomic_load(&pool.size)) return 0;
    pthread_mutex_lock(&pool.lock);
    const int leave = number >= atomic_load(&pool.size);
    if (leave) {
        pool.exists[number] = 0;
        atomic_fetch_sub(&pool.workers, 1);
    }
    pthread_mutex_unlock(&pool.lock);
    return leave;
}

static void *worker(void *data) {
    const int number = (int)((unsigned char *)data - pool.exists);
    for (;;) {
        const unsigned seen = atomic_load(&pool.sequence);
        if (one_too_many(number)) return NULL;
        if (number < atomic_load(&pool.shares)) take_part(number);
        wait_for_change(number, seen);
    }
}

/* Workers take no signals: those are for the program's own threads. If the system refuses a thread the call goes on
 * with those that exist. */
static void start_workers(void) {
    sigset_t all, before;
    pthread_attr_t detached;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    pthread_mutex_lock(&pool.lock);
    pthread_t thread;
    for (int number = 1; number < atomic_load(&pool.size); number++) {
        if (pool.exists[number]) continue;
        if (pthread_create(&thread, &detached, worker, &pool.exists[number])) break;
        pool.exists[number] = 1;
        atomic_fetch_add(&pool.workers, 1);
    }
    pthread_mutex_unlock(&pool.lock);
    pthread_attr_destroy(&detached);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* ---- callers ---- */

/* Wakes the workers below `end`, where they sleep. */
static void wake(int end) {
    if (!atomic_load(&pool.asleep)) return;
    pthread_mutex_lock(&pool.lock);
    for (int number = 1; number < end; number++)
        if (pool.sleeps[number]) pthread_cond_signal(&pool.work[number]);
    pthread_mutex_unlock(&pool.lock);
}

static void run_in_pool(const ob_stage *stages, int64_t count, int64_t most_tasks) {
    const int size = atomic_load(&pool.size), shares = size < SHARES ? size : SHARES;
    if (atomic_load(&pool.workers) < size - 1) start_workers();
    pool.stages = stages;
    pool.stage_count = count;
    atomic_store(&pool.shares, most_tasks < shares ? (int)most_tasks : shares);
    open_stage(0);
    atomic_fetch_add(&pool.sequence, 1);
    wake(atomic_load(&pool.shares));
    finish_tasks(0, 1);
    take_part(0);
}

ob_status ob_executor_check(const ob_executor *executor) {
    if (!executor) return OB_OK;
    if (!executor->run) return OB_ERROR_NULL;
    return executor->threads >= 1 && executor->threads <= MOST_THREADS ? OB_OK : OB_ERROR_THREADS;
}

int32_t ob_executor_threads(const ob_executor *executor) {
    return executor ? executor->threads : ob_get_threads();
}

static int64_t most_tasks(const ob_stage *stages, int64_t count) {
    int64_t most = 0;
    for (int64_t i = 0; i < count; i++) most = stages[i].count > most ? stages[i].count : most;
    return most;
}

static void run_alone(const ob_stage *stage) {
    for (int64_t i = 0; i < stage->count; i++) stage->task(stage->data, i);
}

void ob_run_stages(const ob_executor *executor, const ob_stage *stages, int64_t count) {
    const int64_t most = most_tasks(stages, count);
    if (!executor && most > 1 && most < MOST_TASKS && count < MOST_STAGES && ob_get_threads() > 1 &&
        !atomic_flag_test_and_set(&pool.taken)) {
        run_in_pool(stages, count, most);
        atomic_flag_clear(&pool.taken);
        return;
    }
    for (int64_t i = 0; i < count; i++)
        if (executor && stages[i].count > 1)
            executor->run(executor->context, stages[i].count, stages[i].task, stages[i].data);
        else
            run_alone(&stages[i]);
}

void ob_run(const ob_executor *executor, int64_t count, ob_task *task, void *data) {
    const ob_stage stage = {task, data, count};
    ob_run_stages(executor, &stage, 1);
}

ob_status ob_set_threads(int32_t threads) {
    if (threads < 1 || threads > MOST_THREADS) return OB_ERROR_THREADS;
    pthread_once(&once, start);
    atomic_store(&pool.size, threads);
    atomic_fetch_add(&pool.sequence, 1); /* those too many leave */
    wake(MOST_THREADS);
    return OB_OK;
}

int32_t ob_get_threads(void) {
    pthread_once(&once, start);
    return atomic_load(&pool.size);
}
