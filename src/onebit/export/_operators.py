"""The operators of domain `onebit`, version 1, as a table: one row names its torch operator and its ONNX operator."""

from __future__ import annotations

from dataclasses import dataclass

DOMAIN = "onebit"
DOMAIN_VERSION = 1
EPILOGUES = {"int32": (), "float": ("scale", "bias"), "bits": ("threshold", "direction")}


@dataclass(frozen=True)
class Operator:
    """One operator in both of its forms.

    torch_name: as in torch.ops.onebit.<torch_name>. onnx_name: the op_type in domain `onebit`.
    row: the operator's row in the native kernel table. output: "int32", "float", "bits"; "" for pack and unpack.
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
        """True if it has weights, n and k."""
        return bool(self.output)

    @property
    def is_u8(self) -> bool:
        """True if its input is uint8 pixels, not packed bits."""
        return self.row == "dense_u8"

    @property
    def takes_words(self) -> bool:
        """True if its input is packed."""
        return self.row == "unpack" or (self.is_dense and not self.is_u8)

    @property
    def gives_words(self) -> bool:
        """True if its output is packed."""
        return self.row == "pack" or self.output == "bits"

    @property
    def constants(self) -> tuple[str, ...]:
        """Names of the per-channel tensors after the weights, in order."""
        return EPILOGUES.get(self.output, ())

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of all tensor inputs in order."""
        return ("x", "weights", *self.constants) if self.is_dense else ("x",)

    @property
    def attributes(self) -> tuple[str, ...]:
        """Names of the integer attributes."""
        return ("n", "k") if self.is_dense else ("k",) if self.row == "unpack" else ()


OPERATORS = (
    Operator("pack", "Pack", "pack"),
    Operator("unpack", "Unpack", "unpack"),
    Operator("dense_int32", "DenseInt32", "dense", "int32"),
    Operator("dense_float", "DenseFloat", "dense", "float"),
    Operator("dense_bits", "DenseBits", "dense", "bits"),
    Operator("dense_u8_int32", "DenseU8Int32", "dense_u8", "int32"),
    Operator("dense_u8_float", "DenseU8Float", "dense_u8", "float"),
    Operator("dense_u8_bits", "DenseU8Bits", "dense_u8", "bits"),
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
        *("to.dtype", "_to_copy.default", "argmax.default", "linear.default"),
    )
)
