/* network.c: the networks of this process by their numbers, and which plan a run takes. The lock is held for as long as
 * it takes to look one up; a run holds its plan alone. */
#include "network.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "network_check.h"
#include "network_plan.h"
#include "threads.h"

enum {
    KEPT_PLANS = 4,        /* of a network, that nobody runs now: for so many callers, or batch sizes in turn */
    KEPT_BYTES = 64 << 20, /* a larger plan gives its memory back after the run */
    FIRST_SLOTS = 64,      /* of the table; it doubles */
    SLOT_BITS = 24         /* of a number: the slot; above it, how often the slot was used before */
};

static struct {
    pthread_mutex_t lock;
    pthread_once_t once;
    ob_held_network **slots;
    int64_t *numbers; /* of slot i: what its network is, or the next will be, called */
    int64_t count;
} table = {.lock = PTHREAD_MUTEX_INITIALIZER, .once = PTHREAD_ONCE_INIT};

static void lock(void) {
    pthread_mutex_lock(&table.lock);
}

static void unlock(void) {
    pthread_mutex_unlock(&table.lock);
}

/* A child finds the table whole. Plans that other threads ran are lost to it. */
static void start(void) {
    pthread_atfork(lock, unlock, unlock);
}

/* ---- the description ---- */

static void *copy_of(const void *from, int64_t count, size_t size) {
    void *to = malloc((size_t)count * size + 1);
    if (to && count) memcpy(to, from, (size_t)count * size);
    return to;
}

static void free_network(ob_held_network *n) {
    for (ob_network_plan *plan = n->plans, *next; plan; plan = next) {
        next = plan->next;
        ob_network_plan_free(plan);
    }
    free((void *)n->of.values), free((void *)n->of.steps), free((void *)n->of.constant_bytes);
    free((void *)n->of.inputs), free((void *)n->of.outputs), free(n);
}

static ob_held_network *held_copy(const ob_network *from) {
    ob_held_network *n = calloc(1, sizeof *n);
    if (!n) return NULL;
    n->of = *from;
    n->of.values = copy_of(from->values, from->value_count, sizeof *from->values);
    n->of.steps = copy_of(from->steps, from->step_count, sizeof *from->steps);
    n->of.constant_bytes = copy_of(from->constant_bytes, from->constant_count, sizeof *from->constant_bytes);
    n->of.inputs = copy_of(from->inputs, from->input_count, sizeof *from->inputs);
    n->of.outputs = copy_of(from->outputs, from->output_count, sizeof *from->outputs);
    if (n->of.values && n->of.steps && n->of.constant_bytes && n->of.inputs && n->of.outputs) return n;
    free_network(n);
    return NULL;
}

/* ---- the table ---- */

static int grow(void) {
    const int64_t count = table.count ? 2 * table.count : FIRST_SLOTS;
    ob_held_network **slots = realloc(table.slots, (size_t)count * sizeof *slots);
    if (slots) table.slots = slots;
    int64_t *numbers = realloc(table.numbers, (size_t)count * sizeof *numbers);
    if (numbers) table.numbers = numbers;
    if (!slots || !numbers || count > 1 << SLOT_BITS) return 0;
    for (int64_t i = table.count; i < count; i++) slots[i] = NULL, numbers[i] = i + (1 << SLOT_BITS);
    table.count = count;
    return 1;
}

static int64_t enter(ob_held_network *n) {
    int64_t slot = 0;
    while (slot < table.count && table.slots[slot]) slot++;
    if (slot == table.count && !grow()) return 0;
    table.slots[slot] = n;
    return table.numbers[slot];
}

static ob_held_network **find(int64_t number) {
    const int64_t slot = number & ((1 << SLOT_BITS) - 1);
    return slot < table.count && table.numbers[slot] == number && table.slots[slot] ? &table.slots[slot] : NULL;
}

ob_status ob_network_create(const ob_network *network, int64_t *number, int32_t *step) {
    if (!number) return OB_ERROR_NULL;
    const ob_status status = ob_network_check(network, step);
    if (status) return status;
    pthread_once(&table.once, start);
    ob_held_network *n = held_copy(network);
    if (!n) return OB_ERROR_MEMORY;
    lock();
    *number = enter(n);
    unlock();
    if (*number) return OB_OK;
    free_network(n);
    return OB_ERROR_MEMORY;
}

ob_status ob_network_destroy(int64_t number) {
    lock();
    ob_held_network **slot = find(number), *n = slot ? *slot : NULL;
    if (n) {
        *slot = NULL;
        table.numbers[number & ((1 << SLOT_BITS) - 1)] += 1 << SLOT_BITS;
        n->destroyed = 1;
    }
    const int unused = n && !n->users;
    unlock();
    if (unused) free_network(n);
    return n ? OB_OK : OB_ERROR_NETWORK;
}

ob_held_network *ob_network_hold(int64_t number) {
    lock();
    ob_held_network **slot = find(number), *n = slot ? *slot : NULL;
    if (n) n->users++;
    unlock();
    return n;
}

void ob_network_let_go(ob_held_network *n) {
    lock();
    const int last = --n->users == 0 && n->destroyed;
    unlock();
    if (last) free_network(n);
}

/* ---- plans ---- */

/* One that fits; else the last used of those that are too many, to be made anew; else NULL. */
static ob_network_plan *take_plan(ob_held_network *n, int64_t batch, int32_t threads) {
    int count = 0;
    lock();
    ob_network_plan **at = &n->plans, **oldest = at;
    for (; *at && !ob_network_plan_fits(*at, batch, threads); at = &(*at)->next) oldest = at, count++;
    if (!*at && count >= KEPT_PLANS) at = oldest;
    ob_network_plan *plan = *at;
    if (plan) *at = plan->next;
    unlock();
    return plan;
}

static void give_plan(ob_held_network *n, ob_network_plan *plan) {
    if (plan->arena_bytes > KEPT_BYTES || !plan->whole) {
        ob_network_plan_free(plan);
        return;
    }
    lock();
    plan->next = n->plans, n->plans = plan;
    unlock();
}

ob_status ob_network_run_held(ob_held_network *n, const ob_network_call *call) {
    if (!call->inputs || !call->outputs || (!call->constants && n->of.constant_count)) return OB_ERROR_NULL;
    if (call->batch < 0) return OB_ERROR_SIZE;
    ob_status status = ob_executor_check(call->executor);
    if (status || call->batch == 0) return status;
    for (int32_t i = 0; i < n->of.input_count; i++)
        if (!call->inputs[i]) return OB_ERROR_NULL;
    for (int32_t i = 0; i < n->of.output_count; i++)
        if (!call->outputs[i]) return OB_ERROR_NULL;
    ob_network_plan *plan = take_plan(n, call->batch, ob_executor_threads(call->executor));
    if (!plan && !(plan = ob_network_plan_new(&n->of))) return OB_ERROR_MEMORY;
    if (!(status = ob_network_plan_prepare(plan, &n->of, call))) ob_network_plan_run(plan, &n->of, call);
    give_plan(n, plan);
    return status;
}

ob_status ob_network_run(const ob_network_call *call) {
    if (!call) return OB_ERROR_NULL;
    ob_held_network *n = ob_network_hold(call->number);
    if (!n) return OB_ERROR_NETWORK;
    const ob_status status = ob_network_run_held(n, call);
    ob_network_let_go(n);
    return status;
}
