/* cost.c: the formula of cost.h on the constants of cost.def. */
#include "cost.h"

#include <math.h>
#include <string.h>

#include "cpu.h"
#include "parts.h"

enum { BYTES_PER_NS = 100 };        /* of a core, from its second cache; the same for every kernel */
static const double TASK_NS = 3000; /* waking a thread for less does not pay: dense.c's TASK_MACS */

typedef struct constants {
    const char *isa;
    uint32_t cpu;
    double mac_per_ns, mixed;
    int rows, channels; /* powers of two */
    int64_t part_rows;
    double block_ns, call_ns;
} constants;

static const constants table[] = {
#define OB_COST(isa, cpu, mac_per_ns, mixed, rows, channels, part_rows, block_ns, call_ns) \
    {#isa, cpu, mac_per_ns, mixed, rows, channels, part_rows, block_ns, call_ns},
#include "cost.def"
};
enum { ROWS = sizeof table / sizeof *table };

static const constants *find(const char *isa, uint32_t cpu) {
    for (int i = 0; i < ROWS; i++)
        if (!strcmp(isa, table[i].isa) && (table[i].cpu & cpu) == table[i].cpu) return &table[i];
    return NULL;
}

int ob_cost_knows(ob_op op) {
    return op == OB_OP_dense || op == OB_OP_conv2d;
}

ob_cost ob_cost_of(const char *isa, uint32_t cpu, const ob_shape *shape, int32_t threads) {
    const constants *c = find(isa, cpu);
    const double rate = !c ? 0 : shape->whole ? c->mac_per_ns : c->mixed;
    if (rate <= 0) return (ob_cost){INFINITY, INFINITY};
    const double m = (double)shape->m, n = (double)shape->n, words = (double)shape->words;
    const double down = (double)((shape->m >> c->rows) + ((shape->m & ((1 << c->rows) - 1)) != 0));
    const double across = (double)((shape->n >> c->channels) + ((shape->n & ((1 << c->channels) - 1)) != 0));
    const double step = 64.0 * (double)(1 << (c->rows + c->channels)) / rate;
    const double compute = down * across * (c->block_ns + words * step);
    const double shared = compute < TASK_NS ? compute : fmax(compute / threads, TASK_NS);
    const double memory = (8 * words * (m + n) + 4 * m * n) / BYTES_PER_NS;
    return (ob_cost){c->call_ns + fmax(shared, memory), compute};
}

int64_t ob_cost_part_rows(const char *isa, uint32_t cpu) {
    const constants *c = find(isa, cpu);
    return c ? c->part_rows : 1;
}
