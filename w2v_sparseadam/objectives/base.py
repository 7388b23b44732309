"""What the engine needs of an objective: tables to train, plans of batches, and gradients.

An *objective* owns a *rule*, a named tuple of all that its kernels read whatever the batch. The
type of the rule tells compiled code which kernels to call, once :func:`register` has been told.

A *plan* says what one batch does. It is a named tuple of arrays, of which the engine reads

- ``groups``, a tuple of :class:`~w2v_sparseadam.optimizers.groups.Groups`, one for each table: the
  rows that have a gradient, and the places of its parts, in the gradients of the table or of the
  one whose places it shares. What a chunk computes must not depend on a row that has only one
  place, and that in another chunk;
- ``n_chunks``, of shape (1,): the units of parallel work, numbered from 0;
- ``n_tokens`` and ``n_pairs``, of shape (1,): tokens before subsampling, and pairs or what they
  weigh.

Plans stand in a *ring*, a plan whose arrays have one more dimension in front.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
from numba.extending import overload

from ..simd.kernels import INLINED
from ..simd.random import draw_key, fill_uniform
from .settings import Table

_VIEW: dict[type, Callable[..., Any]] = {}
_FILL: dict[type, Callable[..., Any]] = {}
_GRADIENTS: dict[type, Callable[..., Any]] = {}


class Objective(ABC):
    """What is learned from a text, for the engine.

    Attributes
    ----------
    tables : tuple of Table
        All have rows of the same length.
    rule : NamedTuple
        What the kernels read.
    draws : tuple of str
        Uses of random numbers (see :func:`~w2v_sparseadam.simd.random.draw_key`), each of which has
        a key in each epoch.
    pair_unit : int
        What ``n_pairs`` of a plan counts a whole pair as.
    """

    tables: tuple[Table, ...]
    rule: Any
    draws: tuple[str, ...]
    pair_unit: int = 1

    @abstractmethod
    def n_examples(self) -> float:
        """Return how many examples are expected in an epoch: batches are cut by them."""

    @abstractmethod
    def most_chunks(self, capacity: int) -> int:
        """Return how many chunks a plan with room for so many positions may have."""

    @abstractmethod
    def plans(self, word_ids: np.ndarray, positions: int, n: int) -> Any:
        """Return a ring of ``n`` plans, each with room for so many positions of a text."""

    @abstractmethod
    def plan_scratch(self, plans: Any) -> Any:
        """Return the room that a thread needs to plan a batch."""

    @abstractmethod
    def scratch(self, n_dims: int) -> Any:
        """Return the room that a thread needs for the gradients of a chunk."""

    def moved_share(self, share: float) -> float:
        """Return the share of all rows that move in a share of the text, about; 1 if unknown."""
        return 1.0

    def keys(self, seed: int, epoch: int) -> list[np.uint64]:
        """Return the keys of an epoch's draws."""
        return [draw_key(seed, use, epoch) for use in self.draws]

    def fill_tables(self, params: tuple[np.ndarray, ...], seed: int, dim: int) -> None:
        """Fill new tables, all zeros, with what they start from."""
        for k, (table, param) in enumerate(zip(self.tables, params, strict=True)):
            if table.starts_random:
                fill_uniform(draw_key(seed, "start", k), dim, param)


def register(
    rule: type,
    *,
    view: Callable[..., Any],
    fill: Callable[..., Any],
    gradients: Callable[..., Any],
) -> None:
    """Make compiled code call the kernels of an objective: call at the end of its module.

    Parameters
    ----------
    rule : type of NamedTuple
    view, fill, gradients : inlined function
        Take the arguments of :func:`view_plan`, :func:`fill_plan` and :func:`chunk_gradients`.
    """
    _VIEW[rule], _FILL[rule], _GRADIENTS[rule] = view, fill, gradients


def view_plan(rule: Any, ring: Any, k: int) -> Any:
    """Return plan number k of a ring of plans, as views."""
    return _VIEW[type(rule)](rule, ring, k)


@overload(view_plan, jit_options=INLINED)
def _compiled_view_plan(rule, ring, k):
    chosen = _VIEW[rule.instance_class]
    return lambda rule, ring, k: chosen(rule, ring, k)


def fill_plan(
    rule: Any,
    word_ids: np.ndarray,
    start: int,
    stop: int,
    keys: np.ndarray,
    scratch: Any,
    plan: Any,
) -> None:
    """Plan the batch of the text's positions ``start`` to ``stop``.

    Parameters
    ----------
    rule : NamedTuple
    word_ids : ndarray of shape (positions,), int32
        The text; a negative number ends a sentence.
    start, stop : int
        The batch's range.
    keys : ndarray of shape (draws,), uint64
        The keys of the epoch's draws.
    scratch : NamedTuple
        Overwritten.
    plan : NamedTuple
        Filled.
    """
    _FILL[type(rule)](rule, word_ids, start, stop, keys, scratch, plan)


@overload(fill_plan, jit_options=INLINED)
def _compiled_fill_plan(rule, word_ids, start, stop, keys, scratch, plan):
    chosen = _FILL[rule.instance_class]

    def call(rule, word_ids, start, stop, keys, scratch, plan):
        chosen(rule, word_ids, start, stop, keys, scratch, plan)

    return call


def chunk_gradients(
    rule: Any,
    params: tuple[np.ndarray, ...],
    plan: Any,
    chunk: int,
    scratch: Any,
    grads: tuple[np.ndarray, ...],
) -> float:
    """Compute the loss and the gradients of one chunk of a batch; chunks touch none of another.

    Parameters
    ----------
    rule : NamedTuple
    params : tuple of ndarray of shape (rows, D), float32
        The tables. Read only.
    plan : NamedTuple
    chunk : int
        Which chunk of the plan to do.
    scratch : NamedTuple
        Overwritten.
    grads : tuple of ndarray of shape (places, D), float32
        Those of each table: the places that ``plan.groups`` names are written. Of a table that
        shares the places of another, they are the same array.

    Returns
    -------
    float
        Sum of the losses of the chunk's pairs.
    """
    return float(_GRADIENTS[type(rule)](rule, params, plan, chunk, scratch, grads))


@overload(chunk_gradients, jit_options=INLINED)
def _compiled_chunk_gradients(rule, params, plan, chunk, scratch, grads):
    chosen = _GRADIENTS[rule.instance_class]

    def call(rule, params, plan, chunk, scratch, grads):
        return chosen(rule, params, plan, chunk, scratch, grads)

    return call
