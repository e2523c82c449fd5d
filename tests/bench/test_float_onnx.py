import pytest
import torch
from torch import nn

from onebit.bench._conv import conv
from onebit.bench._float_onnx import float_onnx
from onebit.bench._gemm import gemm
from onebit.bench._model import cifar10_convnet, mlp

onnx = pytest.importorskip("onnx")


@pytest.mark.parametrize(
    ("job", "operators"),
    [
        (gemm(3, 5, 70), ["MatMul"]),
        (conv(2, 5, 4), ["Conv"]),
        (mlp(3, hidden=(9,)), ["Cast", "Mul", "Sub", "Gemm", "Sign", "Gemm"]),
        (
            cifar10_convnet(2, (4, 5, 6, 7, 8, 9)),
            [
                *("Cast", "Mul", "Sub"),
                *("Conv", "Sign", "Conv", "MaxPool", "Sign") * 2,
                *("Conv", "Sign", "Conv", "MaxPool", "Flatten"),
                *("Sign", "Gemm") * 3,
            ],
        ),
    ],
    ids=["gemm", "conv", "mlp", "convnet"],
)
def test_the_file_is_valid_and_has_the_operators_of_the_network(job, operators):
    model = onnx.load_model_from_string(float_onnx(job))
    onnx.checker.check_model(model, full_check=True)
    assert [node.op_type for node in model.graph.node] == operators
    shape = [size.dim_value for size in model.graph.output[0].type.tensor_type.shape.dim]
    assert shape == list(job.network(job.x).shape)


def test_a_module_without_nodes_is_refused():
    job = gemm(3, 5, 70)
    job.network.append(nn.Tanh())
    with pytest.raises(TypeError, match="Tanh"), torch.inference_mode():
        float_onnx(job)
