/* network_plan.h: a network made ready for one batch size: every operator's kernel and parts, one block of memory, and
 * the stages that threads go through. One run at a time has it. */
#ifndef ONEBIT_NETWORK_PLAN_H
#define ONEBIT_NETWORK_PLAN_H

#include "onebit_network.h"
#include "threads.h"

struct ob_ready_step;
struct ob_span;

typedef struct ob_network_plan {
    struct ob_network_plan *next;
    int whole; /* it was made without an error */
    int64_t batch, version;
    int32_t threads;
    uint32_t choices;            /* ob_choices_version of its kernels */
    struct ob_ready_step *steps; /* one for each step of the network */
    const void **constants;      /* where they were */
    unsigned char **values;      /* where they are in this run */
    ob_stage *stages;            /* those of the tables, then those of a run */
    int64_t table_stages, run_stages;
    struct ob_span *spans; /* of the values, then of each step's tables and copies */
    int32_t *order;        /* for ob_spans_place */
    void *memory;          /* of the arena, which starts at its first multiple of 64 */
    size_t arena_bytes;
} ob_network_plan;

/* An empty plan; NULL without memory. */
ob_network_plan *ob_network_plan_new(const ob_network *network);
void ob_network_plan_free(ob_network_plan *plan);
/* 1 if it was made for this batch and these threads, and kernels are chosen as they were then. */
int ob_network_plan_fits(const ob_network_plan *plan, int64_t batch, int32_t threads);
/* Makes it what the call needs, if it is not that already; tables of weights too. */
ob_status ob_network_plan_prepare(ob_network_plan *plan, const ob_network *network, const ob_network_call *call);
void ob_network_plan_run(ob_network_plan *plan, const ob_network *network, const ob_network_call *call);

#endif
