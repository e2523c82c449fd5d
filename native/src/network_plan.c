/* network_plan.c: see network_plan.h. */
#include "network_plan.h"

#include <stdlib.h>
#include <string.h>

#include "dispatch.h"
#include "network.h"
#include "network_memory.h"
#include "network_step.h"

enum { LINE = 64 };

/* ---- an empty plan ---- */

ob_network_plan *ob_network_plan_new(const ob_network *net) {
    const size_t steps = (size_t)net->step_count, values = (size_t)net->value_count;
    const size_t spans = values + 2 * steps;
    ob_network_plan *p = calloc(1, sizeof *p);
    if (!p) return NULL;
    p->steps = calloc(steps, sizeof *p->steps);
    p->constants = calloc((size_t)net->constant_count + 1, sizeof *p->constants);
    p->values = calloc(values, sizeof *p->values);
    p->stages = calloc(3 * steps, sizeof *p->stages);
    p->spans = calloc(spans, sizeof *p->spans);
    p->order = calloc(spans, sizeof *p->order);
    if (p->steps && p->constants && p->values && p->stages && p->spans && p->order) return p;
    ob_network_plan_free(p);
    return NULL;
}

void ob_network_plan_free(ob_network_plan *p) {
    free(p->steps), free(p->constants), free(p->values), free(p->stages), free(p->spans), free(p->order);
    free(p->memory), free(p);
}

int ob_network_plan_fits(const ob_network_plan *p, int64_t batch, int32_t threads) {
    return p->whole && p->batch == batch && p->threads == threads && p->choices == ob_choices_version();
}

/* ---- memory ---- */

static void lives_at(ob_span *span, int32_t step) {
    if (step > span->last) span->last = step;
}

/* Spans of the values, then of each step's tables and copies. */
static ob_status find_spans(ob_network_plan *p, const ob_network *net) {
    ob_span *const spans = p->spans;
    for (int32_t v = 0; v < net->value_count; v++) {
        int64_t bytes;
        if (__builtin_mul_overflow(ob_value_bytes(&net->values[v]), p->batch, &bytes)) return OB_ERROR_SIZE;
        spans[v] = (ob_span){.bytes = (size_t)bytes, .first = 0, .last = 0};
    }
    for (int32_t i = 0; i < net->step_count; i++) {
        const ob_step *step = &net->steps[i];
        spans[step->out].first = spans[step->out].last = i;
        if (step->bits >= 0) spans[step->bits].first = spans[step->bits].last = i;
        for (int r = 0; r < OB_STEP_READS; r++)
            if (ob_step_read(step, r) >= 0) lives_at(&spans[ob_step_read(step, r)], i);
        ob_span *own = &spans[net->value_count + 2 * i];
        own[0] = (ob_span){.bytes = p->steps[i].table_bytes, .first = 0, .last = net->step_count};
        own[1] = (ob_span){.bytes = p->steps[i].copy_bytes, .first = i, .last = i};
    }
    for (int32_t i = 0; i < net->input_count; i++) spans[net->inputs[i]].bytes = 0;
    for (int32_t i = 0; i < net->output_count; i++) spans[net->outputs[i]].bytes = 0;
    return OB_OK;
}

static ob_status find_memory(ob_network_plan *p, const ob_network *net) {
    const ob_status status = find_spans(p, net);
    if (status) return status;
    const size_t bytes = ob_spans_place(p->spans, net->value_count + 2 * net->step_count, p->order);
    if (bytes == SIZE_MAX) return OB_ERROR_SIZE;
    if (p->memory && bytes <= p->arena_bytes) return OB_OK;
    free(p->memory);
    p->memory = malloc(bytes + LINE);
    p->arena_bytes = p->memory ? bytes : 0;
    return p->memory ? OB_OK : OB_ERROR_MEMORY;
}

/* ---- a plan for a call ---- */

static void bind(ob_network_plan *p, const ob_network *net) {
    unsigned char *const arena = (unsigned char *)p->memory + (LINE - (uintptr_t)p->memory % LINE) % LINE;
    for (int32_t v = 0; v < net->value_count; v++) p->values[v] = arena + p->spans[v].at;
    for (int32_t i = 0; i < net->step_count; i++) {
        const ob_span *own = &p->spans[net->value_count + 2 * i];
        ob_step_bind_memory(&net->steps[i], &p->steps[i], arena + own[0].at, arena + own[1].at);
        ob_step_bind(&net->steps[i], &p->steps[i], p->values);
    }
}

static void find_stages(ob_network_plan *p, const ob_network *net) {
    ob_stage *to = p->stages;
    for (int32_t i = 0; i < net->step_count; i++)
        if (p->steps[i].tables.count) *to++ = p->steps[i].tables;
    p->table_stages = to - p->stages;
    for (int32_t i = 0; i < net->step_count; i++) {
        if (p->steps[i].copies.count) *to++ = p->steps[i].copies;
        *to++ = p->steps[i].parts;
    }
    p->run_stages = to - p->stages - p->table_stages;
}

static int is_end(const ob_network *net, int32_t value) {
    for (int32_t i = 0; i < net->input_count; i++)
        if (net->inputs[i] == value) return 1;
    for (int32_t i = 0; i < net->output_count; i++)
        if (net->outputs[i] == value) return 1;
    return 0;
}

static void find_outer(ob_network_plan *p, const ob_network *net) {
    for (int32_t i = 0; i < net->step_count; i++) {
        const ob_step *s = &net->steps[i];
        p->steps[i].outer = is_end(net, s->out) || is_end(net, s->bits);
        for (int r = 0; r < OB_STEP_READS; r++) p->steps[i].outer |= is_end(net, ob_step_read(s, r));
    }
}

static ob_status make(ob_network_plan *p, const ob_network *net, const ob_network_call *call) {
    p->whole = 0;
    p->choices = ob_choices_version();
    p->batch = call->batch, p->threads = ob_executor_threads(call->executor);
    for (int32_t i = 0; i < net->constant_count; i++)
        if (!(p->constants[i] = call->constants[i])) return OB_ERROR_NULL;
    ob_status status = OB_OK;
    for (int32_t i = 0; i < net->step_count && !status; i++)
        status = ob_step_make_ready(&net->steps[i], call->batch, call->constants, call->executor, &p->steps[i]);
    if (status || (status = find_memory(p, net))) return status;
    bind(p, net);
    find_stages(p, net);
    find_outer(p, net);
    p->whole = 1;
    return OB_OK;
}

ob_status ob_network_plan_prepare(ob_network_plan *p, const ob_network *net, const ob_network_call *call) {
    const size_t constants = (size_t)net->constant_count * sizeof *p->constants;
    const int made = ob_network_plan_fits(p, call->batch, ob_executor_threads(call->executor)) &&
                     (!constants || !memcmp(p->constants, call->constants, constants));
    if (made && call->version >= 0 && call->version == p->version) return OB_OK;
    const ob_status status = made ? OB_OK : make(p, net, call);
    if (status) return status;
    ob_run_stages(call->executor, p->stages, p->table_stages);
    p->version = call->version;
    return OB_OK;
}

void ob_network_plan_run(ob_network_plan *p, const ob_network *net, const ob_network_call *call) {
    for (int32_t i = 0; i < net->input_count; i++) p->values[net->inputs[i]] = (unsigned char *)call->inputs[i];
    for (int32_t i = 0; i < net->output_count; i++) p->values[net->outputs[i]] = call->outputs[i];
    for (int32_t i = 0; i < net->step_count; i++) {
        if (p->steps[i].outer) ob_step_bind(&net->steps[i], &p->steps[i], p->values);
        ob_step_note(&net->steps[i], &p->steps[i]);
    }
    ob_run_stages(call->executor, p->stages + p->table_stages, p->run_stages);
}
