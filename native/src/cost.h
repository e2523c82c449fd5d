/* cost.h: how long a kernel would take, so that the fastest can be chosen for a shape. A pure function.
 *
 *   words(m, n) = m rows x n channels x shape->words words of 64 terms
 *   blocks      = ceil(m / rows) * ceil(n / channels)
 *   compute     = blocks * (block_ns + 64 * words(rows, channels) / mac_per_ns)
 *   shared      = compute by one thread if it is below TASK_NS, else compute / threads, but not below TASK_NS
 *   memory      = bytes of weights, x and int32 sums / BYTES_PER_NS
 *   ns          = call_ns + max(shared, memory)
 * The constants are cost.def's. More of anything never takes less. */
#ifndef ONEBIT_COST_H
#define ONEBIT_COST_H

#include "dispatch.h"

typedef struct ob_cost {
    double ns, compute; /* ns is INFINITY if the kernel cannot; compute decides between equal ns */
} ob_cost;

/* 1 if op is a product of bits, whose kernels are chosen by shape; the others are chosen by the table's order. */
int ob_cost_knows(ob_op op);
/* Of the kernel of `isa` on a processor with these OB_CPU_* bits. */
ob_cost ob_cost_of(const char *isa, uint32_t cpu, const ob_shape *shape, int32_t threads);
/* Rows of a part of an output are best a multiple of this. */
int64_t ob_cost_part_rows(const char *isa, uint32_t cpu);

#endif
