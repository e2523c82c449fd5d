"""Synchronised batch norms: two processes with half a batch each compute what one does with the whole of it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import torch
from torch import nn

from onebit import nn as bnn
from onebit.nn._synchronise import SynchronisedBatchNorm

SCRIPT = """
import copy
import json
import sys
import torch
from torch import distributed, nn
from onebit import nn as bnn
from onebit.nn._across_processes import by_itself

torch.set_num_threads(1)
distributed.init_process_group("gloo")
rank, found = distributed.get_rank(), {}
generator = torch.Generator().manual_seed(0)
for kind in (nn.BatchNorm1d, nn.BatchNorm2d, bnn.TheanoBatchNorm1d, bnn.TheanoBatchNorm2d,
             bnn.ShiftBatchNorm1d, bnn.ShiftBatchNorm2d):
    shape = (16, 5, 2, 4) if kind.__name__.endswith("2d") else (16, 5)
    x = torch.randint(-64, 64, shape, generator=generator) / 8  # so that means are exact, and so AP2 of x - mean
    up = torch.randn(shape, generator=generator)
    whole = kind(5)
    with torch.no_grad():
        whole.weight.copy_(torch.randn(5, generator=generator))
        whole.bias.copy_(torch.randn(5, generator=generator))
    shared = bnn.synchronise_batch_norm(nn.Sequential(copy.deepcopy(whole)))
    xs = [x.clone().requires_grad_(), x[rank::2].clone().requires_grad_()]
    y, part = whole(xs[0]), shared(xs[1])
    y.backward(up)
    part.backward(up[rank::2])
    close = lambda a, b: bool(torch.allclose(a, b, rtol=1e-4, atol=1e-5))
    sums = [p.grad.clone() for p in shared.parameters()]
    for gradient in sums:
        distributed.all_reduce(gradient)
    found[kind.__name__] = {
        "output": close(part, y[rank::2]),
        "input's gradient": close(xs[1].grad, xs[0].grad[rank::2]),
        "parameters' gradients": all(close(a, b.grad) for a, b in zip(sums, whole.parameters())),
        "statistics": all(close(a.float(), b.float()) for a, b in zip(shared.buffers(), whole.buffers(), strict=True)),
        "evaluation": close(shared.eval()(x), whole.eval()(x)),
        "differs from its own share": not close(copy.deepcopy(whole).train()(x[rank::2]), y[rank::2]),
    }
    shared.train()
    if rank == 0:  # the other process takes no part: this must not wait for it
        with by_itself():
            shared(x[:4])
json.dump(found, open(f"{sys.argv[1]}/{rank}.json", "w"))
distributed.barrier()
distributed.destroy_process_group()
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What each of two processes found about every kind of batch norm."""
    folder = tmp_path_factory.mktemp("norms")
    (folder / "script.py").write_text(SCRIPT)
    many = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "script.py", str(folder)]
    done = subprocess.run([sys.executable, *many], cwd=folder, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(2)]


KINDS = ("BatchNorm1d", "BatchNorm2d", "TheanoBatchNorm1d", "TheanoBatchNorm2d", "ShiftBatchNorm1d", "ShiftBatchNorm2d")


@pytest.mark.parametrize("kind", KINDS)
def test_shares_of_a_batch_are_normalised_as_the_whole(found, kind):
    assert [what for one in found for what, holds in one[kind].items() if not holds] == []


def test_in_one_process_nothing_changes():
    x = torch.randn(8, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    for norm in (nn.BatchNorm2d(3), nn.BatchNorm2d(3, momentum=None, affine=False), bnn.TheanoBatchNorm2d(3)):
        twin = bnn.synchronise_batch_norm(nn.Sequential(type(norm)(3, momentum=norm.momentum, affine=norm.affine)))
        for _ in range(2):
            torch.testing.assert_close(twin(x), norm(x))
        for a, b in zip(twin.buffers(), norm.buffers(), strict=True):
            torch.testing.assert_close(a, b)


def test_parameters_and_names_stay_so_that_optimizers_and_files_do():
    model = nn.Sequential(nn.Linear(4, 3), nn.Sequential(nn.BatchNorm1d(3)), bnn.ShiftBatchNorm1d(3))
    before, names = list(model.parameters()), list(model.state_dict())
    same = bnn.synchronise_batch_norm(model)
    assert same is model
    assert all(a is b for a, b in zip(before, model.parameters(), strict=True))
    assert list(model.state_dict()) == names
    assert isinstance(model[1][0], SynchronisedBatchNorm)
    assert model[2].synchronised
    assert isinstance(bnn.synchronise_batch_norm(nn.BatchNorm1d(3)), SynchronisedBatchNorm)
    with pytest.raises(ValueError, match="expected 2D or 3D"):
        model[1](torch.zeros(2, 3, 4, 4))
