/* dispatch.c: the table of kernels.def, and which of its rows is active for each operator. */
#include "dispatch.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

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

static const char *const op_names[OB_OP_COUNT] = {"pack",   "unpack",    "dense",       "dense_u8",
                                                  "conv2d", "conv2d_u8", "float_steps", "max_pool2d"};

static _Atomic(const row *) active[OB_OP_COUNT], ran[OB_OP_COUNT];
static atomic_int refused; /* the status of a wrong ONEBIT_ISA, until a good ob_force */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static int runs_here(const row *r) {
    return (r->needs & ob_cpu()) == r->needs;
}

/* The first row of `op` that this CPU can run, of that instruction set if one is named; NULL if there is none. */
static const row *first_row(ob_op op, const char *isa) {
    for (int i = 0; i < ROWS; i++)
        if (table[i].op == op && runs_here(&table[i]) && (!isa || !strcmp(isa, table[i].isa))) return &table[i];
    return NULL;
}

static ob_status choose(const char *isa) {
    if (isa && !*isa) isa = NULL;
    const row *chosen[OB_OP_COUNT];
    for (int op = 0; op < OB_OP_COUNT; op++) {
        chosen[op] = first_row((ob_op)op, isa);
        if (chosen[op]) continue;
        for (int i = 0; i < ROWS; i++)
            if (!strcmp(isa, table[i].isa)) return OB_ERROR_ISA_ABSENT;
        return OB_ERROR_ISA_UNKNOWN;
    }
    for (int op = 0; op < OB_OP_COUNT; op++) atomic_store(&active[op], chosen[op]);
    return OB_OK;
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

ob_status ob_resolve(ob_op op, ob_any_kernel **kernel) {
    pthread_once(&once, start);
    const ob_status status = atomic_load(&refused);
    if (status) return status;
    const row *r = atomic_load(&active[op]);
    atomic_store_explicit(&ran[op], r, memory_order_relaxed);
    *kernel = r->kernel;
    return OB_OK;
}

ob_status ob_resolve_inner(ob_op op, ob_any_kernel **kernel) {
    pthread_once(&once, start);
    const ob_status status = atomic_load(&refused);
    if (!status) *kernel = atomic_load(&active[op])->kernel;
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
    if (!status) atomic_store(&refused, OB_OK);
    return status;
}

ob_status ob_active(const char *op, const char **isa) {
    ob_op index;
    if (!isa) return OB_ERROR_NULL;
    ob_status status = find_op(op, &index);
    if (status) return status;
    pthread_once(&once, start);
    if ((status = atomic_load(&refused))) return status;
    *isa = atomic_load(&active[index])->isa;
    return OB_OK;
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
