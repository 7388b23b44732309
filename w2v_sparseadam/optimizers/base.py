"""What the optimizers share: rules, how a step prepares and moves rows by them, and checks.

A step has three parts: gradients of the same row are grouped, each row's gradients are summed in
a fixed order, and the row moves once. Rows do not depend on each other, so ranges of them may be
moved by several threads at once with the same result to the bit.

A *rule* is a named tuple of the arrays of an optimizer; its type tells compiled code which
arithmetic to use (:func:`prepare`, :func:`move`), once :func:`register` has been told. The numbers
that change from step to step are a row of *scalars*: β₁, β₂, ε, the step size, (1 − β₂ᵗ)ᵖ and the
power p of the second moment.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numba.extending import overload

from ..errors import SettingError, ShapeError
from ..simd.kernels import INLINED, inlined, kernel
from .groups import Groups, group_rows

AHEAD = 4
"""How many rows before its turn a row is asked for."""

_PREPARE: dict[type, Callable[..., Any]] = {}
_MOVE: dict[type, Callable[..., Any]] = {}
_EARLY: dict[type, Callable[..., Any]] = {}


def register(
    rule: type, move: Callable[..., Any], prepare: Callable[..., Any] | None = None
) -> None:
    """Make rows move by a rule: call at the end of the module that has the rule.

    Parameters
    ----------
    rule : type of NamedTuple
    move : inlined function
        Takes the arguments of :func:`move`.
    prepare : inlined function, optional
        Takes those of :func:`prepare`, for a rule that moves all rows, after all gradients.
        Default: only rows with a gradient move, those with one place early.
    """
    _MOVE[rule] = move
    _PREPARE[rule] = prepare or _prepare_groups
    _EARLY[rule] = _none_early if prepare else _early_groups


@inlined
def _prepare_groups(rule, groups):
    return groups.n_rows[0]


@inlined
def _early_groups(rule, groups, chunk):
    return groups.early[chunk]


@inlined
def _none_early(rule, groups, chunk):
    return 0


def early_by_rule(rule: NamedTuple, groups: Groups, chunk: int) -> int:
    """Return where the rows start that may move once a chunk's gradients are there, in kernels.

    They end where those of the next chunk start. What is left to move starts where those of a
    chunk after the last one would.
    """
    return int(_EARLY[type(rule)](rule, groups, chunk))


@overload(early_by_rule, jit_options=INLINED)
def _compiled_early(rule, groups, chunk):
    chosen = _EARLY[rule.instance_class]
    return lambda rule, groups, chunk: chosen(rule, groups, chunk)


def prepare_by_rule(rule: NamedTuple, groups: Groups) -> int:
    """Do what :func:`prepare` does, in kernels."""
    return int(_PREPARE[type(rule)](rule, groups))


@overload(prepare_by_rule, jit_options=INLINED)
def _compiled_prepare(rule, groups):
    chosen = _PREPARE[rule.instance_class]
    return lambda rule, groups: chosen(rule, groups)


def move_by_rule(
    rule: NamedTuple,
    groups: Groups,
    grads: np.ndarray,
    first: int,
    last: int,
    scalars: np.ndarray,
) -> None:
    """Do what :func:`move` does, in kernels."""
    _MOVE[type(rule)](rule, groups, grads, first, last, scalars)


@overload(move_by_rule, jit_options=INLINED)
def _compiled_move(rule, groups, grads, first, last, scalars):
    chosen = _MOVE[rule.instance_class]

    def call(rule, groups, grads, first, last, scalars):
        chosen(rule, groups, grads, first, last, scalars)

    return call


@kernel
def prepare(rule, groups):
    """Make a step ready, and return the length that the ranges given to :func:`move` must cover.

    The ranges are of groups, or of rows for a rule that moves all of them.
    """
    return prepare_by_rule(rule, groups)


@kernel
def move(rule, groups, grads, first, last, scalars):
    """Move a range of the rows of ``rule.param`` one step, in place.

    Parameters
    ----------
    rule : NamedTuple
        The arrays of an optimizer.
    groups : Groups
        Which places of ``grads`` belong to which row.
    grads : ndarray of shape (places, D), float32
        Gradients of the loss.
    first, last : int
        Range, within the length that :func:`prepare` returned.
    scalars : ndarray of shape (6,), float64
        See the module's docstring.
    """
    move_by_rule(rule, groups, grads, first, last, scalars)


class Optimizer(ABC):
    """What the optimizers share: the checks, the step count, and a step.

    Attributes
    ----------
    added : frozenset of str
        Names in `state` of what adds up over the steps, where others are means.
    """

    rule: Any
    added: frozenset[str] = frozenset()

    def __init__(self, param: np.ndarray, lr: float) -> None:
        if not isinstance(param, np.ndarray) or param.dtype != np.float32 or param.ndim != 2:
            raise ShapeError(f"param must be a 2-D float32 array, not {_describe(param)}")
        if not param.flags.c_contiguous or not param.flags.writeable:
            raise ShapeError("param must be C-contiguous and writable, to be moved in place")
        require("lr", lr, lr > 0, "above 0")
        self.param = param
        self.lr = lr
        self.step_count = 0
        self._slots: np.ndarray | None = None  # for grouping rows; training groups its own

    @property
    def state(self) -> Mapping[str, np.ndarray]:
        """Arrays of shape (V, D), float32, that the optimizer keeps for each row."""
        return {}

    def step(self, rows: np.ndarray, row_grads: np.ndarray) -> None:
        """Move the matrix one step, given gradients of some of its rows.

        Parameters
        ----------
        rows : array_like of int, any shape (...)
            Row numbers in [0, V). A row may occur several times: its gradients are summed, in
            the order given, and it moves once.
        row_grads : array_like of float32, shape (..., D)
            Gradient of the loss for each of ``rows``.

        Raises
        ------
        ShapeError
            If the shapes do not fit, a row number is outside [0, V), or it is not an integer.
        """
        n_words, n_dims = self.param.shape
        ids = np.asarray(rows)
        if ids.size == 0:
            ids = ids.astype(np.int64)
        if ids.dtype.kind not in "iu":
            raise ShapeError(f"rows must be integers, not {ids.dtype}")
        if np.shape(row_grads) != (*ids.shape, n_dims):
            raise ShapeError(
                f"row_grads must have shape {(*ids.shape, n_dims)} for rows of shape {ids.shape} "
                f"and a matrix of {n_dims} columns, not {np.shape(row_grads)}"
            )
        ids = ids.reshape(-1)
        if ids.size and (ids.min() < 0 or ids.max() >= n_words):
            bad = ids[(ids < 0) | (ids >= n_words)][0]
            raise ShapeError(f"row {bad} is outside the matrix, which has {n_words} rows")
        grads = np.ascontiguousarray(row_grads, np.float32).reshape(-1, n_dims)
        if self._slots is None:
            self._slots = np.full(n_words, -1, np.int32)
        groups = group_rows(ids, self._slots)
        scalars = np.array(self.next_scalars(self.lr))
        move(self.rule, groups, grads, 0, prepare(self.rule, groups), scalars)

    @abstractmethod
    def next_scalars(self, lr: float) -> tuple[float, ...]:
        """Count a step, and return its 6 scalars."""


def require(name: str, value: float, condition: bool, range_: str) -> None:
    """Refuse a setting out of its range."""
    if not condition:
        raise SettingError(f"{name} is {value}, but must be {range_}")


def _describe(value: object) -> str:
    if isinstance(value, np.ndarray):
        return f"a {value.ndim}-D {value.dtype} array"
    return type(value).__name__
