from onebit import ops


def test_the_kernel_of_a_layer_is_the_one_chosen_for_its_batch(packed_mlp):
    packed = packed_mlp((70, 600, 600, 10))
    for batch in (1, 64, 4096):
        chosen = [ops.native.choice("dense", batch, n, 600).isa for n in (600, 10)]
        assert [layer.kernel for layer in packed.layers(batch)[1:]] == chosen
        assert packed.kernels(batch)["dense"] == " and ".join(dict.fromkeys(chosen))
        assert all(isa in packed.explain(batch) for isa in chosen)
