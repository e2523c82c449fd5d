import pytest
import torch

from onebit.optim import _shift_adamax_update as update

CONSTANTS = {
    "code": update.Constants(0.9, 0.999, 2.0**-27, True),
    "paper": update.Constants(0.875, 1 - 2.0**-10, 2.0**-27, False),
}


def tensors(shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    p, g, m, v = (torch.randn(shape, generator=generator) for _ in range(4))
    return p, g * 10 ** torch.randn(shape, generator=generator), m, v.abs()


@pytest.mark.parametrize("name", sorted(CONSTANTS))
def test_blocks_change_no_bit(name, monkeypatch):
    whole, parts = tensors((37, 101)), tensors((37, 101))
    monkeypatch.setattr(update, "BLOCK", 1000)
    update.single(*whole, 0.01, CONSTANTS[name])
    update.blocked(*parts, 0.01, CONSTANTS[name])
    assert all(torch.equal(a, b) for a, b in zip(whole, parts, strict=True))
    assert not torch.equal(parts[0], tensors((37, 101))[0])


@pytest.mark.parametrize("name", sorted(CONSTANTS))
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's own, while it imports inductor
def test_compiled_it_is_the_same_up_to_rounding(name):
    """Shapes and sizes change without a new compilation going wrong; AP2 of v is exact in both."""
    run = update.compiled(CONSTANTS[name])
    for shape, size in (((33, 65), 0.01), ((500,), 0.25)):
        plain, fused = tensors(shape), tensors(shape)
        update.single(*plain, size, CONSTANTS[name])
        run(*update.flat(*fused), torch.tensor(size))
        torch.testing.assert_close(fused[0], plain[0], rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(fused[2], plain[2], rtol=1e-5, atol=1e-6)
        assert torch.equal(fused[3], plain[3])


def test_flat_views_share_memory_and_other_layouts_stay():
    p, g, m, v = tensors((4, 6))
    assert [one.shape for one in update.flat(p, g, m, v)] == [(24,)] * 4
    assert update.flat(p, g, m, v)[0].data_ptr() == p.data_ptr()
    assert update.flat(p, g.t().contiguous().t(), m, v)[0] is p
