/* job.h: a row of stages that threads go through together, whoever's threads they are.
 *
 * Nobody sleeps and nobody is waited for who holds no task: every thread takes tasks of the open stage, first from a
 * share of its own (which finds its weights and pictures in its own cache when the network runs again), then from the
 * others', and whoever finishes the stage's last task opens the next one. So a step costs two passes of a cache line
 * between cores, and a busy machine no more than the work itself. One thread alone does all of it; one that comes late
 * finds less to do, or nothing. */
#ifndef ONEBIT_JOB_H
#define ONEBIT_JOB_H

#include <stdatomic.h>

#include "threads.h"

enum {
    OB_JOB_LINE = 128,       /* two cache lines: processors fetch them in pairs */
    OB_JOB_SHARES = 64,      /* of a stage; with more threads than that, nobody's share is its own */
    OB_JOB_FIELD_BITS = 24,  /* of a share: stage, end and next task, from the top bits down */
    OB_JOB_TASKS = 1 << 23,  /* a stage must have fewer */
    OB_JOB_STAGES = 1 << 15, /* a job must have fewer */
    OB_JOB_DONE = -1,        /* in place of the open stage */
    OB_JOB_SPINS = 2000      /* before a waiting thread gives way to others */
};

typedef struct ob_job {
    /* written while no task is held, read by those who hold one */
    _Alignas(OB_JOB_LINE) const ob_stage *stages;
    int64_t stage_count;
    atomic_int shares; /* how many of them there are, and so how many threads take part */
    _Alignas(OB_JOB_LINE) atomic_int stage;
    _Alignas(OB_JOB_LINE) atomic_llong done; /* tasks of the open stage that are done, and 1 for opening it */
    struct {
        _Alignas(OB_JOB_LINE) atomic_ullong next;
    } share[OB_JOB_SHARES];
} ob_job;

/* Opens the first stage. The job cannot end before its opener has called ob_job_finish(job, 0, 1). */
void ob_job_open(ob_job *job, const ob_stage *stages, int64_t count, int shares);
/* `tasks` of the open stage, which has that number, are done. */
void ob_job_finish(ob_job *job, int64_t number, int64_t tasks);
/* Takes tasks until the job is done. own: the share to begin with. */
void ob_job_take_part(ob_job *job, int own);
/* A moment of waiting. */
void ob_job_relax(void);

#endif
