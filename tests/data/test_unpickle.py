from __future__ import annotations

import contextlib
import os
import pickle

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from onebit._errors import FormatError
from onebit.data._unpickle import unpickle

ARRAY = np.arange(24, dtype=np.uint8).reshape(4, 6)

# What Python 2 wrote for {"labels": [3, 7], "data": uint8 (1, 4)}: opcodes of protocol 2, texts without encoding.
PYTHON2 = (
    b"\x80\x02}q\x01(U\x06labelsq\x02]q\x03(K\x03K\x07eU\x04dataq\x04cnumpy.core.multiarray\n_reconstruct\nq\x05"
    b"cnumpy\nndarray\nq\x06K\x00\x85U\x01b\x87Rq\x07(K\x01K\x01K\x04\x86cnumpy\ndtype\nq\x08U\x02u1K\x00K\x01\x87Rq\t"
    b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x04\x00\x01\xfe\xfftbu."
)


def test_a_pickle_of_python_2_is_read() -> None:
    values = unpickle(PYTHON2, "batch")
    assert values["labels"] == [3, 7]
    assert values["data"].dtype == np.uint8
    assert values["data"].tolist() == [[0, 1, 254, 255]]


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("array", [ARRAY, np.asfortranarray(ARRAY)], ids=["C", "Fortran"])
def test_arrays_survive_every_protocol_that_writes_them_by_state(protocol: int, array) -> None:
    values = unpickle(pickle.dumps({b"data": array, "labels": [1]}, protocol), "batch")
    assert np.array_equal(values["data"], array)
    assert values["labels"] == [1]


class Evil:
    def __init__(self, function: object, *args: object) -> None:
        self.call = (function, args)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    ("function", "named"),
    [(os.system, r"(posix|nt)\.system"), (eval, r"(builtins|__builtin__)\.eval"), (np.save, r"numpy\.save")],
)
def test_any_other_name_is_refused_and_not_run(function, named: str, tmp_path) -> None:
    victim = tmp_path / "victim"
    content = pickle.dumps({"data": Evil(function, f"touch {victim}")}, 2)
    with pytest.raises(FormatError, match=f"batch: refused: it asks for {named}, which no such file needs"):
        unpickle(content, "batch")
    assert not victim.exists()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"data": np.zeros(3, np.float32)}, "an array of 'f4'; expected unsigned bytes"),
        ({"data": np.array([{}], object)}, "an array of 'O8'"),
        ([1, 2], "holds a list; expected a dict"),
    ],
)
def test_what_is_no_such_file_is_refused(value: object, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        unpickle(pickle.dumps(value, 2), "batch")


def test_a_state_that_does_not_fit_is_refused() -> None:
    with pytest.raises(FormatError, match=r"an array of shape \(1, 9\) whose type or bytes do not fit"):
        unpickle(PYTHON2.replace(b"K\x01K\x01K\x04\x86", b"K\x01K\x01K\x09\x86"), "batch")
    with pytest.raises(FormatError, match="a text encoded as 'utf-8'"):
        unpickle(
            b"\x80\x02}X\x01\x00\x00\x00ac_codecs\nencode\nX\x01\x00\x00\x00xX\x05\x00\x00\x00utf-8\x86Rs.", "batch"
        )


@settings(deadline=None, max_examples=200, derandomize=True)
@given(data=st.data())
def test_damage_gives_a_dict_or_the_one_error(data) -> None:
    content = bytearray(PYTHON2)
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.sampled_from(b"\x00\x01.(}]tbRq0K\x80\xff"))
    cut = data.draw(st.integers(0, len(content)))
    with contextlib.suppress(FormatError):
        assert isinstance(unpickle(bytes(content[:cut]), "batch"), dict)
