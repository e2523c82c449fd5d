/* threads.c: the library's pool.
 *
 * Workers start with the first call that needs them, then wait: a short spin, because the layers of a network follow
 * each other closely, then sleep. The caller takes part, and never waits for a worker that has not joined yet, so a
 * busy machine costs no more than the work itself. While one caller has the pool, another runs its tasks alone: its
 * own core is the only one it could count on. A task that calls the library again does the same. A forked child finds
 * the pool empty and starts its own. */
#define _GNU_SOURCE
#include "threads.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

enum { MOST_THREADS = 1024, SPINS = 2000 };

static struct {
    pthread_mutex_t lock;      /* guards what is below, except the atomics */
    pthread_cond_t work, done; /* work: a new job, or a new size; done: the last helper left the job */
    int32_t size, workers;     /* size: threads wanted, the caller included; workers: threads that exist beside it */
    int open;                  /* helpers may join the job */
    ob_task *task;
    void *data;
    int64_t count;
    atomic_llong next;    /* the first index nobody has taken */
    atomic_int helpers;   /* workers inside the job; falls to 0 under the lock */
    atomic_uint sequence; /* counts jobs and changes of size: what a waiting worker watches */
    atomic_flag taken;    /* some caller has the pool */
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER,
          .work = PTHREAD_COND_INITIALIZER,
          .done = PTHREAD_COND_INITIALIZER,
          .taken = ATOMIC_FLAG_INIT};

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void relax(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static int32_t cpus(void) {
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
    pool.workers = pool.open = 0;
    atomic_store(&pool.helpers, 0);
    atomic_flag_clear(&pool.taken);
}

static void start(void) {
    pool.size = cpus();
    pthread_atfork(NULL, NULL, forget_workers);
}

static void take_tasks(ob_task *task, void *data, int64_t count) {
    for (int64_t i; (i = atomic_fetch_add(&pool.next, 1)) < count;) task(data, i);
}

static void *worker(void *unused) {
    (void)unused;
    pthread_mutex_lock(&pool.lock);
    for (;;) {
        const unsigned seen = atomic_load(&pool.sequence);
        if (pool.workers > pool.size - 1) break;
        if (pool.open) {
            ob_task *const task = pool.task;
            void *const data = pool.data;
            const int64_t count = pool.count;
            atomic_fetch_add(&pool.helpers, 1);
            pthread_mutex_unlock(&pool.lock);
            take_tasks(task, data, count);
            pthread_mutex_lock(&pool.lock);
            if (atomic_fetch_sub(&pool.helpers, 1) == 1) pthread_cond_signal(&pool.done);
        }
        pthread_mutex_unlock(&pool.lock);
        for (int i = 0; i < SPINS && atomic_load_explicit(&pool.sequence, memory_order_relaxed) == seen; i++) relax();
        pthread_mutex_lock(&pool.lock);
        while (atomic_load(&pool.sequence) == seen) pthread_cond_wait(&pool.work, &pool.lock);
    }
    pool.workers--;
    pthread_mutex_unlock(&pool.lock);
    return NULL;
}

/* Called under the lock. Workers take no signals: those are for the program's own threads. If the system refuses a
 * thread the call goes on with those that exist. */
static void start_workers(void) {
    if (pool.workers >= pool.size - 1) return;
    sigset_t all, before;
    pthread_attr_t detached;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    for (pthread_t thread; pool.workers < pool.size - 1; pool.workers++)
        if (pthread_create(&thread, &detached, worker, NULL)) break;
    pthread_attr_destroy(&detached);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void run_in_pool(int64_t count, ob_task *task, void *data) {
    pthread_mutex_lock(&pool.lock);
    start_workers();
    pool.task = task;
    pool.data = data;
    pool.count = count;
    atomic_store(&pool.next, 0);
    pool.open = 1;
    atomic_fetch_add(&pool.sequence, 1);
    pthread_cond_broadcast(&pool.work);
    pthread_mutex_unlock(&pool.lock);

    take_tasks(task, data, count);

    for (int i = 0; i < SPINS && atomic_load_explicit(&pool.helpers, memory_order_relaxed); i++) relax();
    pthread_mutex_lock(&pool.lock);
    pool.open = 0; /* whoever comes now comes too late; `next` may be reused only after the last helper left */
    while (atomic_load(&pool.helpers)) pthread_cond_wait(&pool.done, &pool.lock);
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
    pool.size = threads;
    atomic_fetch_add(&pool.sequence, 1); /* wakes the workers: those too many leave */
    pthread_cond_broadcast(&pool.work);
    pthread_mutex_unlock(&pool.lock);
    return OB_OK;
}

int32_t ob_get_threads(void) {
    pthread_once(&once, start);
    pthread_mutex_lock(&pool.lock);
    const int32_t size = pool.size;
    pthread_mutex_unlock(&pool.lock);
    return size;
}
