/* network_step.c: see network_step.h. */
#include "network_step.h"

#include "network.h"

int32_t ob_step_read(const ob_step *step, int i) {
    if (i == 0) return step->x;
    if (step->op == OB_STEP_JOIN) return i < step->call.join.count ? step->call.join.parts[i] : -1;
    return i == 1 ? step->residual : -1;
}

static const void *array(const ob_step *step, int a, const void *const *constants) {
    return step->arrays[a] < 0 ? NULL : constants[step->arrays[a]];
}

static ob_epilogue epilogue_of(const ob_step *step, const void *const *constants) {
    static const float residual; /* says that there is one; its address comes with the values */
    ob_epilogue e = step->epilogue;
    e.scale = array(step, OB_ARRAY_SCALE, constants), e.bias = array(step, OB_ARRAY_BIAS, constants);
    e.threshold = array(step, OB_ARRAY_THRESHOLD, constants);
    e.direction = array(step, OB_ARRAY_DIRECTION, constants);
    e.low = array(step, OB_ARRAY_LOW, constants), e.high = array(step, OB_ARRAY_HIGH, constants);
    e.slope = array(step, OB_ARRAY_SLOPE, constants);
    e.float_threshold = array(step, OB_ARRAY_FLOAT_THRESHOLD, constants);
    e.residual = step->residual < 0 ? NULL : &residual;
    return e;
}

static int is_conv2d(const ob_step *step) {
    return step->op >= OB_STEP_CONV2D && step->op <= OB_STEP_CONV2D_S8;
}

/* ---- ready ---- */

static ob_status make_pack(const ob_step *step, int64_t batch, const void *const *constants,
                           const ob_executor *executor, ob_ready_step *r) {
    ob_pack_call call = step->call.pack;
    if (__builtin_mul_overflow(call.batch, batch, &call.batch)) return OB_ERROR_SIZE;
    call.threshold = array(step, OB_ARRAY_FLOAT_THRESHOLD, constants);
    call.direction = array(step, OB_ARRAY_DIRECTION, constants);
    call.executor = executor;
    const ob_status status = ob_pack_make_ready(&call, OB_GRAIN_NETWORK, &r->of.pack);
    r->parts = (ob_stage){ob_pack_rows_task, &r->of.pack, r->of.pack.tasks};
    return status;
}

static ob_status make_dense(const ob_step *step, int64_t batch, const void *const *constants,
                            const ob_executor *executor, ob_ready_step *r) {
    ob_dense_call call = step->call.dense;
    const ob_epilogue epilogue = epilogue_of(step, constants);
    if (__builtin_mul_overflow(call.m, batch, &call.m)) return OB_ERROR_SIZE;
    call.weights = array(step, OB_ARRAY_WEIGHTS, constants), call.weights_bytes = ob_weights_bytes(call.n, call.k);
    call.epilogue = &epilogue, call.executor = executor;
    if (step->op != OB_STEP_DENSE_S8) {
        const ob_op op = step->op == OB_STEP_DENSE ? OB_OP_dense : OB_OP_dense_u8;
        const ob_status status = ob_dense_make_ready(&call, op, OB_GRAIN_NETWORK, &r->of.dense);
        r->parts = (ob_stage){ob_dense_part_task, &r->of.dense, r->of.dense.cut.parts};
        return status;
    }
    ob_dense_s8_ready *s8 = &r->of.dense_s8;
    const ob_status status = ob_dense_s8_make_ready(&call, OB_GRAIN_NETWORK, s8);
    r->tables = (ob_stage){ob_dense_s8_table_task, s8, s8->table_tasks};
    r->copies = (ob_stage){ob_dense_s8_copy_task, s8, s8->copy_tasks};
    r->parts = (ob_stage){ob_dense_part_task, &s8->product, s8->product.cut.parts};
    r->table_bytes = s8->tables, r->copy_bytes = s8->copies;
    return status;
}

static ob_status make_conv2d(const ob_step *step, int64_t batch, const void *const *constants,
                             const ob_executor *executor, ob_ready_step *r) {
    ob_conv2d_call call = step->call.conv2d;
    const ob_epilogue epilogue = epilogue_of(step, constants);
    const ob_conv2d_input input = (ob_conv2d_input)(step->op - OB_STEP_CONV2D);
    ob_conv2d_ready *ready = &r->of.conv2d;
    call.batch = batch;
    call.weights = array(step, OB_ARRAY_WEIGHTS, constants);
    call.weights_bytes = ob_conv_weights_bytes(call.n, call.c, call.groups, call.kernel);
    call.epilogue = &epilogue, call.executor = executor;
    const ob_status status = ob_conv2d_make_ready(&call, input, OB_GRAIN_NETWORK, ready);
    r->tables = (ob_stage){ob_conv2d_table_task, &ready->prepared, ready->prepared.table_tasks};
    r->copies = (ob_stage){ob_conv2d_copy_task, &ready->prepared, ready->prepared.copy_tasks};
    r->parts = (ob_stage){ob_conv2d_part_task, ready, ready->cut.parts};
    r->table_bytes = ready->tables, r->copy_bytes = ready->copies;
    return status;
}

static ob_status make_max_pool2d(const ob_step *step, int64_t batch, const void *const *constants,
                                 const ob_executor *executor, ob_ready_step *r) {
    ob_max_pool2d_call call = step->call.max_pool2d;
    call.batch = batch;
    call.minimum = array(step, OB_ARRAY_MINIMUM, constants);
    call.executor = executor;
    const ob_status status = ob_max_pool2d_make_ready(&call, OB_GRAIN_NETWORK, &r->of.max_pool2d);
    r->parts = (ob_stage){ob_max_pool2d_rows_task, &r->of.max_pool2d, r->of.max_pool2d.tasks};
    return status;
}

static ob_status make_transpose(const ob_step *step, int64_t batch, ob_ready_step *r) {
    const ob_transpose_call *c = &step->call.transpose;
    ob_transpose_ready *ready = &r->of.transpose;
    const ob_status status = ob_transpose_make_ready(c, ob_type_bytes(c->type), batch, OB_GRAIN_NETWORK, ready);
    r->parts = (ob_stage){ob_transpose_task, ready, ready->tasks};
    return status;
}

static ob_status make_join(const ob_step *step, int64_t batch, ob_ready_step *r) {
    const ob_status status = ob_join_make_ready(&step->call.join, batch, OB_GRAIN_NETWORK, &r->of.join);
    r->parts = (ob_stage){ob_join_task, &r->of.join, r->of.join.tasks};
    return status;
}

ob_status ob_step_make_ready(const ob_step *step, int64_t batch, const void *const *constants,
                             const ob_executor *executor, ob_ready_step *r) {
    r->tables.count = r->copies.count = 0, r->table_bytes = r->copy_bytes = 0;
    if (step->op == OB_STEP_TRANSPOSE) return make_transpose(step, batch, r);
    if (step->op == OB_STEP_JOIN) return make_join(step, batch, r);
    return (step->op == OB_STEP_PACK         ? make_pack
            : step->op == OB_STEP_MAX_POOL2D ? make_max_pool2d
            : is_conv2d(step)                ? make_conv2d
                                             : make_dense)(step, batch, constants, executor, r);
}

/* ---- bound ---- */

void ob_step_bind_memory(const ob_step *step, ob_ready_step *r, unsigned char *tables, unsigned char *copies) {
    if (step->op == OB_STEP_DENSE_S8) ob_dense_s8_bind_memory(&r->of.dense_s8, tables, copies);
    if (!is_conv2d(step)) return;
    ob_conv2d_bind_workspace(&r->of.conv2d, tables, copies);
    ob_conv2d_small_tables(&r->of.conv2d.prepared);
}

static void bind_join(const ob_step *step, ob_join_ready *r, void *out, unsigned char *const *values) {
    for (int32_t i = 0; i < r->count; i++) r->parts[i] = values[step->call.join.parts[i]];
    r->out = out;
}

void ob_step_bind(const ob_step *step, ob_ready_step *r, unsigned char *const *values) {
    const void *x = values[step->x];
    void *out = values[step->out], *bits = step->bits < 0 ? NULL : values[step->bits];
    const float *residual = step->residual < 0 ? NULL : (const float *)(const void *)values[step->residual];
    if (step->op == OB_STEP_TRANSPOSE)
        r->of.transpose.x = x, r->of.transpose.out = out;
    else if (step->op == OB_STEP_JOIN)
        bind_join(step, &r->of.join, out, values);
    else if (step->op == OB_STEP_PACK)
        r->of.pack.job.x = x, r->of.pack.job.out = out;
    else if (step->op == OB_STEP_MAX_POOL2D)
        r->of.max_pool2d.job.x = x, r->of.max_pool2d.job.out = out;
    else if (is_conv2d(step))
        ob_conv2d_bind(&r->of.conv2d, x, out, bits, residual);
    else if (step->op == OB_STEP_DENSE_S8)
        ob_dense_s8_bind(&r->of.dense_s8, x, out, bits, residual);
    else
        ob_dense_bind(&r->of.dense, x, NULL, out, bits, residual);
}

/* ---- noted ---- */

static void note(ob_op op, const ob_choice *choice, const ob_float_steps *steps) {
    ob_ran_again(op, choice);
    if (steps && steps->kernel) ob_ran_again(OB_OP_float_steps, &steps->choice);
}

void ob_step_note(const ob_step *step, const ob_ready_step *r) {
    if (step->op == OB_STEP_TRANSPOSE || step->op == OB_STEP_JOIN) return; /* no kernel of the table */
    const ob_dense_ready *dense = step->op == OB_STEP_DENSE_S8 ? &r->of.dense_s8.product : &r->of.dense;
    if (step->op == OB_STEP_PACK)
        note(OB_OP_pack, &r->of.pack.choice, NULL);
    else if (step->op == OB_STEP_MAX_POOL2D)
        note(OB_OP_max_pool2d, &r->of.max_pool2d.choice, NULL);
    else if (is_conv2d(step))
        note(r->of.conv2d.op, &r->of.conv2d.choice, &r->of.conv2d.steps);
    else
        note(dense->op, &dense->choice, &dense->steps);
}
