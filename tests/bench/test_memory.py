import subprocess
import sys

import pytest

from onebit.bench._memory import give_back_memory, keep_memory

CODE = """
import resource, sys, torch
from onebit.bench._memory import keep_memory
if sys.argv[1] == "keep" and not keep_memory():
    sys.exit("the C library has no mallopt")
for _ in range(3):
    torch.zeros(16 << 20)  # 64 MB
faults = []
for _ in range(5):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.zeros(16 << 20)
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
print(sorted(faults)[2])  # the median: a system short of memory may take pages back once
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="mallopt is glibc's")
def test_memory_that_is_kept_is_not_mapped_again():
    faults = {}
    for way in ("keep", "give back"):
        child = subprocess.run([sys.executable, "-c", CODE, way], capture_output=True, text=True, check=True)
        faults[way] = int(child.stdout)
    assert faults["keep"] * 10 < faults["give back"]


def test_a_c_library_without_the_choice_is_said(monkeypatch):
    monkeypatch.setattr("onebit.bench._memory.ctypes.CDLL", lambda _: object())
    assert not keep_memory()
    assert not give_back_memory()


HELD = """
import torch
from onebit.bench._memory import give_back_memory, keep_memory

def resident():
    return int(open("/proc/self/statm").read().split()[1]) >> 8  # MiB, of pages of 4 KiB

keep_memory()
large = [torch.zeros(16 << 20) for _ in range(4)]  # 64 MiB each
small = torch.zeros(1 << 20)  # above them: their memory is not at the end of the heap
del large
before = resident()
give_back_memory()
print(before - resident())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="malloc_trim is glibc's")
def test_kept_memory_can_be_given_back_once():
    child = subprocess.run([sys.executable, "-c", HELD], capture_output=True, text=True, check=True)
    assert int(child.stdout) > 200
