"""The operators of domain `onebit`, version 1, as a table: one row names its torch operator and its ONNX operator."""

from __future__ import annotations

from dataclasses import dataclass

DOMAIN = "onebit"
DOMAIN_VERSION = 1
EPILOGUES = {"int32": (), "float": ("scale", "bias"), "bits": ("threshold", "direction")}
# The steps behind scale and bias, with the tensors that each takes; the name of an ONNX operator spells them in order.
STEP_OPERANDS = {"add": ("residual",), "clamp": ("low", "high"), "prelu": ("slope",)}
_STEPS = (
    *((), ("clamp",), ("prelu",), ("add",)),
    *(("add", "clamp"), ("add", "prelu"), ("clamp", "add"), ("prelu", "add")),
)
# Integer attributes in the order of the torch operator's arguments, and how many values the lists among them have.
_CONV2D = ("n", "c", "kernel", "stride", "padding", "dilation", "groups", "pad_value")
_ATTRIBUTES = {
    "pack": (),
    "unpack": ("k",),
    "dense": ("n", "k"),
    "conv2d": _CONV2D,
    "conv2d_u8": (*_CONV2D, "multiplier", "offset"),
    "max_pool2d": ("c", "kernel", "stride", "padding"),
}
LISTS = {"kernel": 2, "stride": 2, "padding": 4, "dilation": 2}


@dataclass(frozen=True)
class Operator:
    """One operator in both of its forms.

    torch_name: as in torch.ops.onebit.<torch_name>. onnx_name: the op_type in domain `onebit`.
    row: the operator's row in the native kernel table. output: "int32", "float", "bits", "fused" (float after steps),
    "both" (the same, and its signs); "" for those without weights. steps: of fused and both; one torch operator takes
    all of them, in ONNX each sequence is an operator.
    The torch operator takes x and the weights, if it has them, then `attributes`, then the tensors in `constants` (for
    fused and both: scale, bias, lists for the steps, then the rest).
    """

    torch_name: str
    onnx_name: str
    row: str
    output: str = ""
    steps: tuple[str, ...] = ()

    @property
    def target(self) -> str:
        """The name that a torch.fx node of this operator shows, `str(node.target)`."""
        return f"onebit.{self.torch_name}.default"

    @property
    def is_dense(self) -> bool:
        """True for a dense layer: weights, n and k."""
        return self.row in ("dense", "dense_u8")

    @property
    def is_conv(self) -> bool:
        """True for a convolution: weights and a window."""
        return self.row in ("conv2d", "conv2d_u8")

    @property
    def has_weights(self) -> bool:
        """True for a layer with weights; its second tensor is the handle."""
        return self.is_dense or self.is_conv

    @property
    def takes_bytes(self) -> bool:
        """True if its input is bytes, not packed bits: uint8 pixels, or int8 if `is_s8`."""
        return self.row.endswith("_u8")

    @property
    def is_s8(self) -> bool:
        """True if its input is int8; it runs on the kernels of uint8."""
        return "_s8_" in self.torch_name

    @property
    def family(self) -> str:
        """What its outputs share: "pack", "dense", "dense_u8", "dense_s8", "conv2d", ..."""
        return self.row.replace("_u8", "_s8") if self.is_s8 else self.row

    @property
    def is_compared(self) -> bool:
        """True if it packs float32 values against a float32 threshold for each channel."""
        return self.torch_name.endswith("_threshold")

    @property
    def is_nchw(self) -> bool:
        """True if the channels of its input are dimension 1, not the last one."""
        return "_nchw" in self.torch_name

    @property
    def takes_words(self) -> bool:
        """True if its input is packed."""
        return self.row in ("unpack", "max_pool2d") or (self.has_weights and not self.takes_bytes)

    @property
    def gives_words(self) -> bool:
        """True if its (only) output is packed."""
        return self.row in ("pack", "max_pool2d") or self.output == "bits"

    @property
    def counts(self) -> tuple[str, str]:
        """Names of the attributes that count the signs of a packed input and of a packed output ("" for pack's)."""
        given = "k" if "k" in self.attributes else "c" if "c" in self.attributes else ""
        return given, "n" if self.has_weights else given

    @property
    def has_steps(self) -> bool:
        """True if its floats go through steps: fused and both."""
        return self.output in ("fused", "both")

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of its results in order."""
        return ("y", "signs") if self.output == "both" else ("y",)

    @property
    def constants(self) -> tuple[str, ...]:
        """Names of the tensors after the attributes, in order; all are constant but the residual."""
        if self.has_steps:
            operands = (name for step in self.steps for name in STEP_OPERANDS[step])
            return (
                *EPILOGUES["float"],
                *operands,
                *(("float_threshold", "direction") if self.output == "both" else ()),
            )
        if self.is_compared:
            return ("float_threshold", "direction")
        return ("minimum",) if self.row == "max_pool2d" else EPILOGUES.get(self.output, ())

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of all tensor inputs in order."""
        return ("x", *(("weights",) if self.has_weights else ()), *self.constants)

    @property
    def attributes(self) -> tuple[str, ...]:
        """Names of the integer attributes, in the order of the torch operator's arguments."""
        return _ATTRIBUTES[self.row.removesuffix("_u8") if self.is_dense else self.row]

    @property
    def first_attribute(self) -> int:
        """Where the attributes begin among the torch operator's arguments."""
        return 2 if self.has_weights else 1

    @property
    def first_constant(self) -> int:
        """Where the constant tensors begin among the torch operator's arguments."""
        return self.first_attribute + len(self.attributes)


def _with_steps(family: str, name: str) -> tuple[Operator, ...]:
    """fused and both of a family, one for each sequence of steps; without steps, fused is the float operator."""
    found, row = [], family.replace("_s8", "_u8")
    for steps in _STEPS:
        spelled = f"{name}Float{''.join(map(str.title, steps))}"
        found += [Operator(f"{family}_fused", spelled, row, "fused", steps)] if steps else []
        found += [Operator(f"{family}_both", f"{spelled}Bits", row, "both", steps)]
    return tuple(found)


OPERATORS = (
    Operator("pack", "Pack", "pack"),
    Operator("pack_nchw", "PackNchw", "pack"),
    Operator("pack_threshold", "PackThreshold", "pack"),
    Operator("pack_nchw_threshold", "PackNchwThreshold", "pack"),
    Operator("unpack", "Unpack", "unpack"),
    Operator("dense_int32", "DenseInt32", "dense", "int32"),
    Operator("dense_float", "DenseFloat", "dense", "float"),
    Operator("dense_bits", "DenseBits", "dense", "bits"),
    Operator("dense_u8_int32", "DenseU8Int32", "dense_u8", "int32"),
    Operator("dense_u8_float", "DenseU8Float", "dense_u8", "float"),
    Operator("dense_u8_bits", "DenseU8Bits", "dense_u8", "bits"),
    Operator("dense_s8_int32", "DenseS8Int32", "dense_u8", "int32"),
    Operator("dense_s8_float", "DenseS8Float", "dense_u8", "float"),
    Operator("dense_s8_bits", "DenseS8Bits", "dense_u8", "bits"),
    Operator("conv2d_int32", "Conv2dInt32", "conv2d", "int32"),
    Operator("conv2d_float", "Conv2dFloat", "conv2d", "float"),
    Operator("conv2d_bits", "Conv2dBits", "conv2d", "bits"),
    Operator("conv2d_u8_int32", "Conv2dU8Int32", "conv2d_u8", "int32"),
    Operator("conv2d_u8_float", "Conv2dU8Float", "conv2d_u8", "float"),
    Operator("conv2d_u8_bits", "Conv2dU8Bits", "conv2d_u8", "bits"),
    Operator("conv2d_s8_int32", "Conv2dS8Int32", "conv2d_u8", "int32"),
    Operator("conv2d_s8_float", "Conv2dS8Float", "conv2d_u8", "float"),
    Operator("conv2d_s8_bits", "Conv2dS8Bits", "conv2d_u8", "bits"),
    *_with_steps("dense", "Dense"),
    *_with_steps("dense_u8", "DenseU8"),
    *_with_steps("dense_s8", "DenseS8"),
    *_with_steps("conv2d", "Conv2d"),
    *_with_steps("conv2d_u8", "Conv2dU8"),
    *_with_steps("conv2d_s8", "Conv2dS8"),
    Operator("max_pool2d", "MaxPool2d", "max_pool2d"),
)
BY_TARGET = {operator.target: operator for operator in OPERATORS}  # any of those that differ in their steps
BY_STEPS = {(operator.target, operator.steps): operator for operator in OPERATORS}
BY_ONNX_NAME = {operator.onnx_name: operator for operator in OPERATORS}

# The float operators that a packed graph may hold around the binary ones, as `str(node.target)` shows them.
FLOAT_TARGETS = frozenset(
    f"aten.{name}"
    for name in (
        *("add.Tensor", "sub.Tensor", "mul.Tensor", "div.Tensor"),
        *("relu.default", "clamp.default", "hardtanh.default"),
        *("flatten.using_ints", "reshape.default", "view.default", "_unsafe_view.default"),
        *("to.dtype", "_to_copy.default", "argmax.default", "linear.default", "permute.default", "mean.dim"),
        *("conv2d.default", "max_pool2d.default", "avg_pool2d.default", "matmul.default", "sum.dim_IntList"),
        *("sqrt.default", "abs.default", "tanh.default", "sigmoid.default", "maximum.default"),
        *("lt.Scalar", "where.ScalarSelf", "cat.default"),
    )
)
# Those that only regroup the values: they take packed words too, whose last dimension must stay or take in the others.
REGROUPING = frozenset(
    f"aten.{name}" for name in ("flatten.using_ints", "reshape.default", "view.default", "_unsafe_view.default")
)
CONCATENATION = (
    "aten.cat.default"  # takes packed words too, along their last dimension, where only the last have a tail
)
