"""Calls of kernels through pointers, and functions that are compiled into kernels."""

from typing import Any, NamedTuple

import numpy as np
import pytest
from conftest import JIT

from w2v_sparseadam.simd.calls import Calls, call, frame_of
from w2v_sparseadam.simd.kernels import bound_kernel, for_python, inlined, kernel

compiled_only = pytest.mark.skipif(not JIT, reason="nothing is compiled")


class Frame(NamedTuple):
    """One of each kind of part that frames have."""

    flag: bool
    factor: np.float32
    rows: tuple[np.ndarray, ...]
    nothing: tuple[()]
    offset: int
    inner: Any
    out: np.ndarray


@inlined
def scaled(value, factor):
    return value * factor


@bound_kernel
def take_sum(pointer, i, j, _):
    frame = frame_of(pointer)
    total = np.float32(0)
    for row in frame.rows:
        total += scaled(row[i, j], frame.factor)
    frame.out[i] = total if frame.flag else -total
    return frame.offset + frame.inner[1]


@bound_kernel
def fail_at_seven(pointer, i, _, __):
    if refused(i):
        raise ValueError("seven")
    return frame_of(pointer)[0]


@inlined
def refused(i):
    if i == 8:
        raise ValueError("eight")
    return i == 7


@kernel
def call_all(calls, n, a, b):
    total = 0
    for which in range(n):
        total += call(calls, which, a, b, 0)
    return total


MATRIX = np.arange(12, dtype=np.float32).reshape(3, 4)


def frame(flag=True, inner=(), **parts):
    defaults = {
        "factor": np.float32(0.5),
        "rows": (MATRIX, MATRIX + 1),
        "nothing": (),
        "offset": 1,
        "out": np.zeros(3, np.float32),
    }
    return Frame(flag, inner=(MATRIX, 40, *inner), **{**defaults, **parts})


def test_a_frame_arrives_as_it_was():
    frames = [frame(), frame(flag=False, offset=-3), frame(inner=(True, np.ones(2), np.float32(2)))]
    calls = Calls([(take_sum, each) for each in frames])
    assert call_all(calls.table, 3, 1, 2) == (1 + 40) + (-3 + 40) + (1 + 40)
    assert [each.out.tolist() for each in frames] == [[0, 6.5, 0], [0, -6.5, 0], [0, 6.5, 0]]


@pytest.mark.parametrize("layout", ["rows", "reversed", "strided", "transposed", "read-only"])
def test_arrays_of_any_layout(layout):
    matrix = {
        "rows": MATRIX,
        "reversed": MATRIX[:, ::-1].copy()[:, ::-1],
        "strided": np.repeat(MATRIX, 2, axis=1)[:, ::2],
        "transposed": MATRIX.T.copy().T,
        "read-only": MATRIX.copy(),
    }[layout]
    matrix.flags.writeable = layout != "read-only"
    each = frame(rows=(matrix,))
    calls = Calls([(take_sum, each)])
    call_all(calls.table, 1, 1, 3)
    assert each.out.tolist() == [0, 3.5, 0]


@compiled_only
def test_a_caller_is_compiled_once_for_all_frames():
    for each in (frame(), frame(inner=(1, 2, 3)), frame(inner=((np.ones(3), 4),))):
        calls = Calls([(take_sum, each)])
        assert call_all(calls.table, 1, 0, 0) == 41
    assert len(call_all.signatures) == 1


@pytest.mark.parametrize(("number", "message"), [(7, "seven"), (8, "eight")])
def test_an_exception_reaches_the_caller(number, message):
    calls = Calls([(fail_at_seven, (5,))])
    assert call_all(calls.table, 1, 0, 0) == 5
    with pytest.raises(ValueError, match=message):
        call_all(calls.table, 1, number, 0)


def test_python_calls_an_inlined_function_through_a_kernel_of_it():
    assert for_python(scaled)(3.0, 2.0) == 6
    assert for_python(scaled) is for_python(scaled)
