/* onebit_network.h: the C ABI of whole networks, beside onebit.h.
 *
 * A whole network in one call: operators, in the order of their steps, on values that flow between them. It is checked
 * once, planned at the first run of every batch size (kernels, parts, one block of memory for all values), and then
 * run with no check, no allocation and one waking of the pool, whose threads meet between the steps. Results are those
 * of the operators one by one, bit for bit, for every number of threads. */
#ifndef ONEBIT_NETWORK_ABI_H
#define ONEBIT_NETWORK_ABI_H

#include "onebit.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The type of a value beside OB_TYPE_F32, _U8 and _S8. */
enum { OB_TYPE_S32 = 6, OB_TYPE_WORDS = 7 };
enum { OB_VALUE_DIMS = 8 };
typedef struct ob_value {
    int32_t type, dims;
    int64_t sizes[OB_VALUE_DIMS]; /* of one example, without the batch, which comes first */
} ob_value;

enum {
    OB_STEP_PACK = 1,
    OB_STEP_DENSE,
    OB_STEP_DENSE_U8,
    OB_STEP_DENSE_S8,
    OB_STEP_CONV2D,
    OB_STEP_CONV2D_U8,
    OB_STEP_CONV2D_S8,
    OB_STEP_MAX_POOL2D,
    OB_STEP_TRANSPOSE,
    OB_STEP_JOIN
};
/* Two operators that only networks have; sizes are those of one example.
 *   OB_STEP_TRANSPOSE   x (rows, columns), of any type and any other dims -> out (columns, rows): from channels first
 * to channels last, rows is the channels and columns the places OB_STEP_JOIN        values parts[i] (rows, ceil(bits[i]
 * / 64)) words -> out (rows, ceil(sum of bits / 64)) words: the bits of all parts behind each other; count is at least
 * 2, and x is parts[0] */
enum { OB_JOIN_MOST = 8 };
typedef struct ob_transpose_call {
    int64_t rows, columns;
    int32_t type; /* of a value */
} ob_transpose_call;
typedef struct ob_join_call {
    int64_t rows;
    int32_t count, bits[OB_JOIN_MOST], parts[OB_JOIN_MOST];
} ob_join_call;
/* The constants of a step. For a pack, OB_ARRAY_FLOAT_THRESHOLD and _DIRECTION are those of its channels. */
enum {
    OB_ARRAY_WEIGHTS,
    OB_ARRAY_SCALE,
    OB_ARRAY_BIAS,
    OB_ARRAY_THRESHOLD,
    OB_ARRAY_DIRECTION,
    OB_ARRAY_LOW,
    OB_ARRAY_HIGH,
    OB_ARRAY_SLOPE,
    OB_ARRAY_FLOAT_THRESHOLD,
    OB_ARRAY_MINIMUM,
    OB_ARRAY_COUNT
};
/* One operator: the call and the epilogue say what they say elsewhere, for a batch of one example (its batch, or m,
 * says how many rows that are), but every address in them is NULL: values and constants are named by number, -1 where
 * the operator has none. */
typedef struct ob_step {
    int32_t op, x, out, bits, residual; /* OB_STEP_*, values */
    int32_t arrays[OB_ARRAY_COUNT];     /* constants */
    union {
        ob_pack_call pack;
        ob_dense_call dense;
        ob_conv2d_call conv2d;
        ob_max_pool2d_call max_pool2d;
        ob_transpose_call transpose;
        ob_join_call join;
    } call;
    ob_epilogue epilogue;
} ob_step;

/* inputs, outputs: numbers of values. Every other value is given by one step, before those that read it. */
typedef struct ob_network {
    const ob_value *values;
    const ob_step *steps;
    const int64_t *constant_bytes;
    const int32_t *inputs, *outputs;
    int32_t value_count, step_count, constant_count, input_count, output_count;
} ob_network;
/* Copies the description and gives the network its number. step: if not NULL, the number of the step that an error is
 * in, -1 if it is in none. */
OB_API ob_status ob_network_create(const ob_network *network, int64_t *number, int32_t *step);
/* Gives its memory back, once the runs that are under way have ended. */
OB_API ob_status ob_network_destroy(int64_t number);

/* Addresses in the order of the description. inputs (batch, ...) and outputs (batch, ...) may stand anywhere, but must
 * not overlap. Constants stay as they are during a run; between runs they may change. version: tables that a network
 * makes of its weights are made anew when a constant stands elsewhere or the version is another one, and in every run
 * if it is below 0. */
typedef struct ob_network_call {
    int64_t number, batch, version;
    const void *const *inputs, *const *constants;
    void *const *outputs;
    const ob_executor *executor;
} ob_network_call;
OB_API ob_status ob_network_run(const ob_network_call *call);

#ifdef __cplusplus
}
#endif
#endif
