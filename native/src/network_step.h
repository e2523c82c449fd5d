/* network_step.h: one step of a network, ready to run for one batch size: what the kinds of operators have in common.
 */
#ifndef ONEBIT_NETWORK_STEP_H
#define ONEBIT_NETWORK_STEP_H

#include "conv2d.h"
#include "dense.h"
#include "max_pool2d.h"
#include "network_moves.h"
#include "onebit_network.h"
#include "pack.h"
#include "threads.h"

typedef struct ob_ready_step {
    union {
        ob_pack_ready pack;
        ob_dense_ready dense;
        ob_dense_s8_ready dense_s8;
        ob_conv2d_ready conv2d;
        ob_max_pool2d_ready max_pool2d;
        ob_transpose_ready transpose;
        ob_join_ready join;
    } of;
    ob_stage tables, copies, parts; /* of the weights alone, so seldom; then, in every run, these two; count 0: none */
    size_t table_bytes, copy_bytes; /* of memory: the tables stay, the copies are of no use after the step */
    int outer;                      /* some operand is an input or an output of the network */
} ob_ready_step;

/* The values that a step reads, by i from 0 below OB_STEP_READS; -1 where there is none. */
enum { OB_STEP_READS = 1 + OB_JOIN_MOST };
int32_t ob_step_read(const ob_step *step, int i);
/* Checks the step for `batch` examples, chooses its kernel and cuts its work into tasks; `ready` must not move. */
ob_status ob_step_make_ready(const ob_step *step, int64_t batch, const void *const *constants,
                             const ob_executor *executor, ob_ready_step *ready);
/* Where its memory is. */
void ob_step_bind_memory(const ob_step *step, ob_ready_step *ready, unsigned char *tables, unsigned char *copies);
/* Where its operands are: the addresses of all values. */
void ob_step_bind(const ob_step *step, ob_ready_step *ready, unsigned char *const *values);
/* Notes its kernels as those that ran. */
void ob_step_note(const ob_step *step, const ob_ready_step *ready);

#endif
