/* threads.c: the library's pool.
 *
 * A job (job.h) is a row of stages, one for a single operator. Workers start with the first job that needs them, then
 * wait: a short spin, because calls follow each other closely, then sleep; inside a job nobody sleeps. A worker that
 * comes late, even one that was asleep since the job before, can do no harm: all it touches is the pool's own memory
 * until it holds a task, and then the job cannot end without it.
 *
 * While one caller has the pool, another runs its tasks alone: its own core is the only one it could count on. A task
 * that calls the library again does the same. A forked child finds the pool empty and starts its own. The lock is for
 * those who sleep or start. Several stages for somebody else's executor are a job of their own, in which the
 * executor's tasks take part in place of workers. */
#define _GNU_SOURCE
#include "threads.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "job.h"

enum { MOST_THREADS = 1024 };

static struct {
    ob_job job;                                 /* the open one, or the last */
    _Alignas(OB_JOB_LINE) atomic_uint sequence; /* counts jobs and changes of size: what a waiting worker watches */
    _Alignas(OB_JOB_LINE) atomic_flag taken;    /* some caller has the pool */
    atomic_int size, workers; /* size: threads wanted, the caller included; workers: threads that exist beside it */
    atomic_int asleep;        /* workers that sleep or are about to */
    pthread_mutex_t lock;     /* of those who sleep, and of what follows */
    unsigned char exists[MOST_THREADS], sleeps[MOST_THREADS]; /* of worker number 1 to size - 1 */
    pthread_cond_t work[MOST_THREADS];                        /* a new job, or a new size, for that worker */
} pool = {.job = {.stage = OB_JOB_DONE}, .taken = ATOMIC_FLAG_INIT, .lock = PTHREAD_MUTEX_INITIALIZER};

static pthread_once_t once = PTHREAD_ONCE_INIT;

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
    for (int i = 0; i < OB_JOB_SHARES; i++) atomic_store(&pool.job.share[i].next, 0);
    atomic_store(&pool.job.stage, OB_JOB_DONE);
    atomic_flag_clear(&pool.taken);
}

static void start(void) {
    atomic_store(&pool.size, ob_cpus());
    for (int number = 0; number < MOST_THREADS; number++) pthread_cond_init(&pool.work[number], NULL);
    pthread_atfork(NULL, NULL, forget_workers);
}

/* ---- workers ---- */

static void wait_for_change(int number, unsigned seen) {
    for (int i = 0; i < OB_JOB_SPINS && atomic_load_explicit(&pool.sequence, memory_order_relaxed) == seen; i++)
        ob_job_relax();
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
        if (number < atomic_load(&pool.job.shares)) ob_job_take_part(&pool.job, number);
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
    const int size = atomic_load(&pool.size), shares = size < OB_JOB_SHARES ? size : OB_JOB_SHARES;
    if (atomic_load(&pool.workers) < size - 1) start_workers();
    ob_job_open(&pool.job, stages, count, most_tasks < shares ? (int)most_tasks : shares);
    atomic_fetch_add(&pool.sequence, 1);
    wake(atomic_load(&pool.job.shares));
    ob_job_finish(&pool.job, 0, 1);
    ob_job_take_part(&pool.job, 0);
}

static void take_part_task(void *data, int64_t index) {
    ob_job_take_part(data, (int)index);
}

/* One call of the executor for all stages: its tasks are threads that take part. Those that it runs late, or one after
 * another, find less to do or nothing. */
static void run_by_executor(const ob_executor *executor, const ob_stage *stages, int64_t count, int64_t most_tasks) {
    const int threads = executor->threads < OB_JOB_SHARES ? executor->threads : OB_JOB_SHARES;
    const int shares = most_tasks < threads ? (int)most_tasks : threads;
    ob_job j;
    ob_job_open(&j, stages, count, shares);
    ob_job_finish(&j, 0, 1);
    executor->run(executor->context, shares, take_part_task, &j);
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
    const int parallel = most > 1 && most < OB_JOB_TASKS && count < OB_JOB_STAGES;
    if (parallel && executor && count > 1 && executor->threads > 1) {
        run_by_executor(executor, stages, count, most);
        return;
    }
    if (parallel && !executor && ob_get_threads() > 1 && !atomic_flag_test_and_set(&pool.taken)) {
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
