import torch
from torch import fx, nn

from onebit import bits, ops
from onebit.ops.cuda import Device
from onebit.runtime import InputSpec, PackedModel


def test_the_kernel_of_a_layer_is_the_one_chosen_for_its_batch(packed_mlp):
    packed = packed_mlp((70, 600, 600, 10))
    for batch in (1, 64, 4096):
        chosen = [ops.native.choice("dense", batch, n, 600).isa for n in (600, 10)]
        assert [layer.kernel for layer in packed.layers(batch)[1:]] == chosen
        assert packed.kernels(batch)["dense"] == " and ".join(dict.fromkeys(chosen))
        assert all(isa in packed.explain(batch) for isa in chosen)


def test_on_a_gpu_the_kernels_of_its_generation_are_named_and_none_need_be_here(packed_mlp):
    packed = packed_mlp((256, 512, 512, 10))
    for device, hidden in ((Device((9, 0), 132), "wgmma 128x128"), (Device((8, 0), 108), "mma 128x128")):
        assert [layer.kernel for layer in packed.layers(4096, device)][1] == f"cuda {hidden}"
        table = packed.explain(4096, device)
        assert hidden in table
        assert "100.0 % of the MACs are binary" in table
        assert "On the CPU" not in table
        assert not any(isa in table for isa in ops.native.available_isas("dense"))
    assert packed.explain(1, "cpu") == packed.explain()
    assert "cuda popc 4x64" in packed.explain(1, Device((9, 0), 132))


def test_convolutions_pools_and_packing_have_names_on_a_gpu():
    root, graph, call = nn.Module(), fx.Graph(), torch.ops.onebit
    root.register_buffer("w", ops.pack_conv_weights(bits.pack(torch.randn(9, 3, 3, 256)).words, 256, 1, [3, 3]))
    words = graph.call_function(call.pack.default, (graph.placeholder("x"),))
    root.register_buffer("low", ops.pack(torch.ones(256)))
    given = (words, 256, [2, 2], [2, 2], [0, 0, 0, 0], graph.get_attr("low"))
    pooled = graph.call_function(call.max_pool2d.default, given)
    sizes = (9, 256, [3, 3], [1, 1], [1, 1, 1, 1], [1, 1], 1, 0)
    graph.output(graph.call_function(call.conv2d_int32.default, (pooled, graph.get_attr("w"), *sizes)))
    packed = PackedModel(fx.GraphModule(root, graph), InputSpec((None, 16, 16, 256), torch.float32))
    names = [layer.kernel for layer in packed.layers(512, Device((9, 0), 132))]
    assert names == ["cuda pack", "cuda max_pool2d", "cuda wgmma 128x64"]
