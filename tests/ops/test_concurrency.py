"""Several Python threads may call at once, and a forked child has a pool of its own."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import torch

from onebit import ops
from onebit.bits import Packed, pack
from onebit.bits import _reference as reference

FORK = """
import os, sys, torch
from onebit import ops
torch.set_num_threads(3)
x = ops.pack(torch.randn(256, 2048))
handle = ops.pack_weights(ops.pack(torch.randn(1024, 2048)), 2048)
def run():
    return ops.dense_int32(x, handle, 1024, 2048)
expected = run()  # the parent's pool has its workers now
children = []
for _ in range(3):
    child = os.fork()
    if child == 0:
        same = all(torch.equal(run(), expected) for _ in range(5))
        os._exit(0 if same else 1)
    children.append(child)
assert torch.equal(run(), expected)
codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
assert torch.equal(run(), expected)
print(codes)
"""


def test_threads_calling_at_once_get_their_own_results():
    def work(seed: int) -> bool:
        generator = torch.Generator().manual_seed(seed)
        m, n, k = 20 + seed, 300 + seed, 1000 + seed
        x, w = pack(torch.randn(m, k, generator=generator)), pack(torch.randn(n, k, generator=generator))
        handle = ops.pack_weights(w.words, k)
        expected = reference.dense_int32(x, w)
        threshold, direction = expected[0].contiguous(), torch.ones(n, dtype=torch.int8)
        bits = reference.dense_bits(x, w, threshold, direction)
        for _ in range(20):
            if not torch.equal(ops.dense_int32(x.words, handle, n, k), expected):
                return False
            got = Packed.checked(ops.dense_bits(x.words, handle, n, k, threshold, direction), n)
            if not torch.equal(got.words, bits.words):
                return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(work, range(8)))


def test_a_change_of_the_thread_count_does_not_disturb_calls():
    x, w = pack(torch.randn(64, 1000)), pack(torch.randn(512, 1000))
    handle, expected = ops.pack_weights(w.words, 1000), reference.dense_int32(x, w)
    before = torch.get_num_threads()

    def work(threads: int) -> bool:
        for turn in range(30):
            torch.set_num_threads(1 + (threads + turn) % 4)
            if not torch.equal(ops.dense_int32(x.words, handle, 512, 1000), expected):
                return False
        return True

    try:
        with ThreadPoolExecutor(4) as threads:
            assert all(threads.map(work, range(4)))
    finally:
        torch.set_num_threads(before)


def test_a_forked_child_computes_with_its_own_pool(child_environment):
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORK],
        env=child_environment(),
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "[0, 0, 0]"), done.stderr
