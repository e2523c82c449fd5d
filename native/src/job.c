/* job.c: see job.h. */
#include "job.h"

#include <sched.h>

static const uint64_t FIELD = (1 << OB_JOB_FIELD_BITS) - 1;

void ob_job_relax(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void open_stage(ob_job *j, int64_t number) {
    const int64_t count = j->stages[number].count, shares = atomic_load(&j->shares);
    atomic_store(&j->done, 0);
    for (int64_t i = 0; i < shares; i++) {
        const uint64_t first = (uint64_t)(count * i / shares), end = (uint64_t)(count * (i + 1) / shares);
        atomic_store(&j->share[i].next, (uint64_t)number << 2 * OB_JOB_FIELD_BITS | end << OB_JOB_FIELD_BITS | first);
    }
    atomic_store(&j->stage, (int)number);
}

void ob_job_open(ob_job *j, const ob_stage *stages, int64_t count, int shares) {
    j->stages = stages;
    j->stage_count = count;
    atomic_store(&j->shares, shares);
    open_stage(j, 0);
}

/* `tasks` of the open stage are done; after the last one, the next stage is opened, which counts as one of its own. So
 * a stage cannot end while it is being opened. */
void ob_job_finish(ob_job *j, int64_t number, int64_t tasks) {
    for (;; tasks = 1) {
        const int64_t all = j->stages[number].count + 1, stages = j->stage_count;
        if (atomic_fetch_add(&j->done, tasks) + tasks < all) return;
        if (++number == stages) {
            atomic_store(&j->stage, OB_JOB_DONE);
            return;
        }
        open_stage(j, number);
    }
}

/* Takes tasks until none is left. Where a share turns out to be of a later stage, nothing is unfinished of the former
 * one, and the task is as good. */
static void take_tasks(ob_job *j, int64_t number, int own) {
    int64_t done = 0;
    const int shares = atomic_load(&j->shares);
    for (int i = 0; i < shares; i++) {
        atomic_ullong *next = &j->share[(own + i) % shares].next;
        for (;;) {
            const uint64_t got = atomic_fetch_add(next, 1);
            if ((got & FIELD) >= (got >> OB_JOB_FIELD_BITS & FIELD)) break;
            number = (int64_t)(got >> 2 * OB_JOB_FIELD_BITS);
            j->stages[number].task(j->stages[number].data, (int64_t)(got & FIELD));
            done++;
        }
    }
    if (done) ob_job_finish(j, number, done);
}

void ob_job_take_part(ob_job *j, int own) {
    for (int number; (number = atomic_load(&j->stage)) != OB_JOB_DONE;) {
        take_tasks(j, number, own);
        for (int i = 0; atomic_load_explicit(&j->stage, memory_order_relaxed) == number; i++)
            if (i < OB_JOB_SPINS)
                ob_job_relax();
            else
                sched_yield(); /* somebody holds a task and may wait for this core */
    }
}
