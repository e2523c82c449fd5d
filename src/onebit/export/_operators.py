"""The operators of domain `onebit`, version 1, as a table: one row names its torch operator and its ONNX operator."""

from __future__ import annotations

from dataclasses import dataclass

DOMAIN = "onebit"
DOMAIN_VERSION = 1
EPILOGUES = {"int32": (), "float": ("scale", "bias"), "bits": ("threshold", "direction")}
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
    row: the operator's row in the native kernel table. output: "int32", "float", "bits"; "" for those without weights.
    The torch operator takes x and the weights, if it has them, then `attributes`, then the tensors in `constants`.
    """

    torch_name: str
    onnx_name: str
    row: str
    output: str = ""

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
    def is_u8(self) -> bool:
        """True if its input is uint8 pixels, not packed bits."""
        return self.row.endswith("_u8")

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
        return self.row in ("unpack", "max_pool2d") or (self.has_weights and not self.is_u8)

    @property
    def gives_words(self) -> bool:
        """True if its output is packed."""
        return self.row in ("pack", "max_pool2d") or self.output == "bits"

    @property
    def counts(self) -> tuple[str, str]:
        """Names of the attributes that count the signs of a packed input and of a packed output ("" for pack's)."""
        given = "k" if "k" in self.attributes else "c" if "c" in self.attributes else ""
        return given, "n" if self.has_weights else given

    @property
    def constants(self) -> tuple[str, ...]:
        """Names of the constant tensors after the attributes, in order."""
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
    Operator("conv2d_int32", "Conv2dInt32", "conv2d", "int32"),
    Operator("conv2d_float", "Conv2dFloat", "conv2d", "float"),
    Operator("conv2d_bits", "Conv2dBits", "conv2d", "bits"),
    Operator("conv2d_u8_int32", "Conv2dU8Int32", "conv2d_u8", "int32"),
    Operator("conv2d_u8_float", "Conv2dU8Float", "conv2d_u8", "float"),
    Operator("conv2d_u8_bits", "Conv2dU8Bits", "conv2d_u8", "bits"),
    Operator("max_pool2d", "MaxPool2d", "max_pool2d"),
)
BY_TARGET = {operator.target: operator for operator in OPERATORS}
BY_ONNX_NAME = {operator.onnx_name: operator for operator in OPERATORS}

# The float operators that a packed graph may hold around the binary ones, as `str(node.target)` shows them.
FLOAT_TARGETS = frozenset(
    f"aten.{name}"
    for name in (
        *("add.Tensor", "sub.Tensor", "mul.Tensor", "div.Tensor"),
        *("relu.default", "clamp.default", "hardtanh.default"),
        *("flatten.using_ints", "reshape.default", "view.default", "_unsafe_view.default"),
        *("to.dtype", "_to_copy.default", "argmax.default", "linear.default", "permute.default"),
    )
)
# Those that only regroup the values: they take packed words too, whose last dimension must stay or take in the others.
REGROUPING = frozenset(
    f"aten.{name}" for name in ("flatten.using_ints", "reshape.default", "view.default", "_unsafe_view.default")
)
