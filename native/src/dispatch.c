/* dispatch.c: the table of kernels.def, and which of its rows runs: the forced one, or the fastest by cost.h. */
#include "dispatch.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "cost.h"
#include "cpu.h"
#include "kernels.h"

typedef struct row {
    ob_op op;
    const char *isa;
    uint32_t needs;
    ob_any_kernel *kernel;
} row;

static const row table[] = {
#define OB_KERNEL(op, isa, needs) {OB_OP_##op, #isa, needs, (ob_any_kernel *)ob_##op##_##isa},
#include "kernels.def"
};
enum { ROWS = sizeof table / sizeof table[0] };

static const char *const op_names[OB_OP_COUNT] = {
    "pack",        "unpack",     "dense",           "dense_u8",       "conv2d",           "conv2d_u8",
    "float_steps", "max_pool2d", "gradient_maxima", "gradient_bytes", "gradient_windows", "gradient_lookup",
    "sign_panel",  "gradient_x", "gradient_w"};

static _Atomic(const row *) ran[OB_OP_COUNT];
static _Atomic(const char *) forced; /* a name of the table, or NULL */
static atomic_int refused;           /* the status of a wrong ONEBIT_ISA, until a good ob_force */
static atomic_uint version;          /* counts what ob_force changed */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static int runs_here(const row *r) {
    return (r->needs & ob_cpu()) == r->needs;
}

static ob_cost cost_of(const row *r, const ob_shape *shape, int32_t threads) {
    return ob_cost_of(r->isa, ob_cpu(), shape, threads);
}

/* The best row of `op` here, of `isa` alone if one is named: the fastest for the shape, or without one the first. NULL
 * if none can. */
static const row *best_row(ob_op op, const char *isa, const ob_shape *shape, int32_t threads) {
    const row *best = NULL;
    ob_cost least = {INFINITY, INFINITY};
    for (const row *r = table; r < table + ROWS; r++) {
        if (r->op != op || !runs_here(r) || (isa && strcmp(isa, r->isa))) continue;
        if (!shape || !ob_cost_knows(op)) return r;
        const ob_cost cost = cost_of(r, shape, threads);
        if (cost.ns > least.ns || (cost.ns == least.ns && cost.compute >= least.compute)) continue;
        best = r, least = cost;
    }
    return best;
}

/* What runs: an instruction set that is forced, but has no kernel for this, leaves it to the best of the others. */
static const row *chosen_row(ob_op op, const ob_shape *shape, int32_t threads) {
    const char *isa = atomic_load(&forced);
    const row *r = isa ? best_row(op, isa, shape, threads) : NULL;
    return r ? r : best_row(op, NULL, shape, threads);
}

static ob_status choose(const char *isa) {
    if (!isa || !*isa) return atomic_store(&forced, NULL), OB_OK;
    ob_status status = OB_ERROR_ISA_UNKNOWN;
    for (const row *r = table; r < table + ROWS; r++) {
        if (strcmp(isa, r->isa)) continue;
        if (runs_here(r)) return atomic_store(&forced, r->isa), OB_OK;
        status = OB_ERROR_ISA_ABSENT;
    }
    return status;
}

static void start(void) {
    atomic_store(&refused, choose(getenv("ONEBIT_ISA")));
}

static ob_status find_op(const char *name, ob_op *op) {
    if (!name) return OB_ERROR_NULL;
    for (int i = 0; i < OB_OP_COUNT; i++)
        if (!strcmp(name, op_names[i])) return *op = (ob_op)i, OB_OK;
    return OB_ERROR_OP_UNKNOWN;
}

static ob_status resolve(ob_op op, const ob_shape *shape, int32_t threads, const row **r) {
    pthread_once(&once, start);
    const ob_status status = atomic_load(&refused);
    if (!status) *r = chosen_row(op, shape, threads);
    return status;
}

static ob_choice choice_of(const row *r) {
    return (ob_choice){r->kernel, r->isa, ob_cost_part_rows(r->isa, ob_cpu()), r};
}

ob_status ob_resolve(ob_op op, const ob_shape *shape, int32_t threads, ob_choice *choice) {
    const row *r;
    const ob_status status = resolve(op, shape, threads, &r);
    if (status) return status;
    atomic_store_explicit(&ran[op], r, memory_order_relaxed);
    *choice = choice_of(r);
    return OB_OK;
}

void ob_ran_again(ob_op op, const ob_choice *choice) {
    atomic_store_explicit(&ran[op], (const row *)choice->row, memory_order_relaxed);
}

uint32_t ob_choices_version(void) {
    return atomic_load(&version);
}

ob_status ob_resolve_inner(ob_op op, const ob_shape *shape, ob_choice *choice) {
    const row *r;
    const ob_status status = resolve(op, shape, 1, &r);
    if (!status) *choice = choice_of(r);
    return status;
}

ob_status ob_kernel(int32_t index, ob_kernel_row *out) {
    if (!out) return OB_ERROR_NULL;
    if (index < 0 || index >= ROWS) return OB_ERROR_SIZE;
    const row *r = &table[index];
    *out = (ob_kernel_row){op_names[r->op], r->isa, runs_here(r)};
    return OB_OK;
}

ob_status ob_force(const char *isa) {
    pthread_once(&once, start);
    const ob_status status = choose(isa);
    if (!status) {
        atomic_store(&refused, OB_OK);
        atomic_fetch_add(&version, 1);
    }
    return status;
}

ob_status ob_active(const char *op, const char **isa) {
    ob_op index;
    if (!isa) return OB_ERROR_NULL;
    ob_status status = find_op(op, &index);
    if (status) return status;
    pthread_once(&once, start);
    if ((status = atomic_load(&refused))) return status;
    *isa = chosen_row(index, NULL, 1)->isa;
    return OB_OK;
}

ob_status ob_estimate_kernel(const char *op, const ob_shape *shape, int32_t threads, int32_t index, ob_estimate *out) {
    ob_op known;
    if (!shape || !out) return OB_ERROR_NULL;
    ob_status status = find_op(op, &known);
    if (status) return status;
    if (shape->m < 0 || shape->n < 1 || shape->k < 1 || shape->words < 1) return OB_ERROR_SIZE;
    if (threads < 1) return OB_ERROR_THREADS;
    const row *chosen;
    if ((status = resolve(known, shape, threads, &chosen))) return status;
    for (const row *r = table; r < table + ROWS; r++) {
        if (r->op != known || !runs_here(r) || index-- > 0) continue;
        *out = (ob_estimate){r->isa, ob_cost_knows(known) ? cost_of(r, shape, threads).ns : -1, r == chosen};
        return OB_OK;
    }
    return OB_ERROR_SIZE;
}

ob_status ob_ran(const char *op, const char **isa) {
    ob_op index;
    if (!isa) return OB_ERROR_NULL;
    const ob_status status = find_op(op, &index);
    if (status) return status;
    const row *r = atomic_load(&ran[index]);
    *isa = r ? r->isa : "";
    return OB_OK;
}
