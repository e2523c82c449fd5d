/* threads.c: the library's pool.
 *
 * Workers start with the first call that needs them, then wait: a short spin, because the layers of a network follow
 * each other closely, then sleep. A job is a few us, so a caller and a spinning worker meet without a lock: the caller
 * writes the job, opens the gate for as many helpers as it has tasks to give away, takes tasks itself, closes the gate
 * and waits for those inside. It never waits for a worker that has not joined, so a busy machine costs no more than
 * the work itself. The lock is for those who sleep or start. While one caller has the pool, another runs its tasks
 * alone: its own core is the only one it could count on. A task that calls the library again does the same. A forked
 * child finds the pool empty and starts its own. */
#define _GNU_SOURCE
#include "threads.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

enum {
    MOST_THREADS = 1024,
    SPINS = 2000,
    ONE_PLACE = 1 << 16, /* of the gate: how many may still join stands above how many are inside */
    LINE = 128,          /* two cache lines: processors fetch them in pairs */
};

static struct {
    /* the job: written while the gate is closed and nobody inside, read inside */
    _Alignas(LINE) ob_task *task;
    void *data;
    int64_t count;
    _Alignas(LINE) atomic_llong next; /* the first index nobody has taken */
    _Alignas(LINE) atomic_uint gate;
    _Alignas(LINE) atomic_uint sequence; /* counts jobs and changes of size: what a waiting worker watches */
    _Alignas(LINE) atomic_flag taken;    /* some caller has the pool */
    atomic_int size, workers;  /* size: threads wanted, the caller included; workers: threads that exist beside it */
    atomic_int asleep;         /* workers that sleep or are about to */
    atomic_int caller_asleep;  /* the caller waits for the last helper, or is about to */
    pthread_mutex_t lock;      /* of those who sleep and of `workers` growing or shrinking */
    pthread_cond_t work, done; /* work: a new job, or a new size; done: the last helper left the job */
} pool = {.taken = ATOMIC_FLAG_INIT,
          .lock = PTHREAD_MUTEX_INITIALIZER,
          .work = PTHREAD_COND_INITIALIZER,
          .done = PTHREAD_COND_INITIALIZER};

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
    pthread_cond_init(&pool.work, NULL);
    pthread_cond_init(&pool.done, NULL);
    atomic_store(&pool.workers, 0);
    atomic_store(&pool.asleep, 0);
    atomic_store(&pool.caller_asleep, 0);
    atomic_store(&pool.gate, 0);
    atomic_flag_clear(&pool.taken);
}

static void start(void) {
    atomic_store(&pool.size, ob_cpus());
    pthread_atfork(NULL, NULL, forget_workers);
}

static void take_tasks(ob_task *task, void *data, int64_t count) {
    for (int64_t i; (i = atomic_fetch_add(&pool.next, 1)) < count;) task(data, i);
}

/* ---- workers ---- */

/* Takes part in the job if there is one with a place left. */
static void help(void) {
    unsigned gate = atomic_load(&pool.gate);
    do
        if (gate < ONE_PLACE) return;
    while (!atomic_compare_exchange_weak(&pool.gate, &gate, gate - ONE_PLACE + 1));
    take_tasks(pool.task, pool.data, pool.count);
    if (atomic_fetch_sub(&pool.gate, 1) == 1 && atomic_load(&pool.caller_asleep)) {
        pthread_mutex_lock(&pool.lock); /* not before it waits */
        pthread_cond_signal(&pool.done);
        pthread_mutex_unlock(&pool.lock);
    }
}

static void wait_for_change(unsigned seen) {
    for (int i = 0; i < SPINS && atomic_load_explicit(&pool.sequence, memory_order_relaxed) == seen; i++) relax();
    if (atomic_load(&pool.sequence) != seen) return;
    pthread_mutex_lock(&pool.lock);
    atomic_fetch_add(&pool.asleep, 1); /* before it looks again: whoever counts on now sees that it must wake */
    while (atomic_load(&pool.sequence) == seen) pthread_cond_wait(&pool.work, &pool.lock);
    atomic_fetch_sub(&pool.asleep, 1);
    pthread_mutex_unlock(&pool.lock);
}

static int one_too_many(void) {
    if (atomic_load(&pool.workers) < atomic_load(&pool.size)) return 0;
    pthread_mutex_lock(&pool.lock);
    const int leave = atomic_load(&pool.workers) >= atomic_load(&pool.size);
    if (leave) atomic_fetch_sub(&pool.workers, 1);
    pthread_mutex_unlock(&pool.lock);
    return leave;
}

static void *worker(void *unused) {
    (void)unused;
    for (;;) {
        const unsigned seen = atomic_load(&pool.sequence);
        if (one_too_many()) return NULL;
        help();
        wait_for_change(seen);
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
    for (pthread_t thread; atomic_load(&pool.workers) < atomic_load(&pool.size) - 1; atomic_fetch_add(&pool.workers, 1))
        if (pthread_create(&thread, &detached, worker, NULL)) break;
    pthread_mutex_unlock(&pool.lock);
    pthread_attr_destroy(&detached);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* ---- callers ---- */

static void wake(int64_t helpers) {
    const int asleep = atomic_load(&pool.asleep);
    if (!asleep) return;
    pthread_mutex_lock(&pool.lock);
    if (helpers < asleep)
        for (; helpers > 0; helpers--) pthread_cond_signal(&pool.work);
    else
        pthread_cond_broadcast(&pool.work);
    pthread_mutex_unlock(&pool.lock);
}

static void run_in_pool(int64_t count, ob_task *task, void *data) {
    const int64_t most = atomic_load(&pool.size) - 1, helpers = count - 1 < most ? count - 1 : most;
    if (atomic_load(&pool.workers) < most) start_workers();
    pool.task = task;
    pool.data = data;
    pool.count = count;
    atomic_store(&pool.next, 0);
    atomic_fetch_add(&pool.gate, (unsigned)helpers * ONE_PLACE);
    atomic_fetch_add(&pool.sequence, 1);
    wake(helpers);

    take_tasks(task, data, count);

    atomic_fetch_and(&pool.gate, ONE_PLACE - 1); /* whoever comes now comes too late */
    for (int i = 0; i < SPINS && atomic_load(&pool.gate); i++) relax();
    if (!atomic_load(&pool.gate)) return;
    pthread_mutex_lock(&pool.lock);
    atomic_store(&pool.caller_asleep, 1);
    while (atomic_load(&pool.gate)) pthread_cond_wait(&pool.done, &pool.lock);
    atomic_store(&pool.caller_asleep, 0);
    pthread_mutex_unlock(&pool.lock);
}

ob_status ob_executor_check(const ob_executor *executor) {
    if (!executor) return OB_OK;
    if (!executor->run) return OB_ERROR_NULL;
    return executor->threads >= 1 && executor->threads <= MOST_THREADS ? OB_OK : OB_ERROR_THREADS;
}

int32_t ob_executor_threads(const ob_executor *executor) {
    return executor ? executor->threads : ob_get_threads();
}

void ob_run(const ob_executor *executor, int64_t count, ob_task *task, void *data) {
    if (executor && count > 1) {
        executor->run(executor->context, count, task, data);
    } else if (count > 1 && ob_get_threads() > 1 && !atomic_flag_test_and_set(&pool.taken)) {
        run_in_pool(count, task, data);
        atomic_flag_clear(&pool.taken);
    } else {
        for (int64_t i = 0; i < count; i++) task(data, i);
    }
}

ob_status ob_set_threads(int32_t threads) {
    if (threads < 1 || threads > MOST_THREADS) return OB_ERROR_THREADS;
    pthread_once(&once, start);
    pthread_mutex_lock(&pool.lock);
    atomic_store(&pool.size, threads);
    atomic_fetch_add(&pool.sequence, 1); /* those too many leave */
    pthread_cond_broadcast(&pool.work);
    pthread_mutex_unlock(&pool.lock);
    return OB_OK;
}

int32_t ob_get_threads(void) {
    pthread_once(&once, start);
    return atomic_load(&pool.size);
}
