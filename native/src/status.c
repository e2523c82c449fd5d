/* status.c: one sentence for each ob_status. */
#include "onebit.h"

#include "version.h"

static const char *const sentences[OB_STATUS_COUNT] = {
    [OB_OK] = "no error",
    [OB_ERROR_NULL] = "a pointer that must point somewhere is NULL",
    [OB_ERROR_SIZE] = "a size is negative, or zero where it must not be, or so large that the result would overflow",
    [OB_ERROR_OUTPUT] = "the epilogue names no known output kind or activation, or lacks an array that it needs",
    [OB_ERROR_DIRECTION] = "a direction is neither +1 nor -1",
    [OB_ERROR_WEIGHTS] = "the weights were not made by ob_weights_pack (for a convolution: ob_conv_weights_pack), or "
                         "were made for other sizes",
    [OB_ERROR_WORKSPACE] = "the workspace is NULL, or smaller than the operator's workspace function asks for",
    [OB_ERROR_ISA_UNKNOWN] = "no kernel is called by that instruction set's name",
    [OB_ERROR_ISA_ABSENT] = "this CPU or its operating system lacks the forced instruction set",
    [OB_ERROR_OP_UNKNOWN] = "no operator of the kernel table has that name",
    [OB_ERROR_THREADS] = "the number of threads is below 1 or above 1024",
    [OB_ERROR_TORCH] = "torch is not loaded, or lacks a function of its C shim, or refused a registration",
    [OB_ERROR_WINDOW] = "a kernel, stride or dilation is below 1, or a padding is negative (in pooling: not below the "
                        "kernel), or the window does not fit into the padded picture",
    [OB_ERROR_GROUPS] = "groups is below 1, or does not divide both the input and the output channels",
    [OB_ERROR_PAD_VALUE] = "the pad value is neither -1, 0 nor +1",
    [OB_ERROR_TYPE] = "the element type or the layout is unknown, or pixels from 0 to 255, which have no sign, come "
                      "without a threshold",
    [OB_ERROR_STEP] = "a step of the network names no known operator, or has an address where a number belongs",
    [OB_ERROR_VALUE] = "a step, an input or an output of the network names a value that is not there, or that nothing "
                       "before it gives, or gives one that is given already",
    [OB_ERROR_CONSTANT] = "a step of the network lacks a constant, or names one that is not there or has another size",
    [OB_ERROR_FIT] = "a value of the network has another type or size than the step that reads or gives it",
    [OB_ERROR_NETWORK] = "no network has that number",
    [OB_ERROR_MEMORY] = "the system gave no memory for the plan of a network",
};

const char *ob_status_text(ob_status status) {
    if (status < 0 || status >= OB_STATUS_COUNT) return "unknown status";
    return sentences[status];
}

const char *ob_version(void) {
    return OB_VERSION;
}
