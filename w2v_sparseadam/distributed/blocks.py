"""The state of a run in blocks of rows, which travel between machines.

A block has the same share of the rows of every table, with what its optimizer keeps for them.
Rows do not depend on each other when they are merged, so how many blocks there are changes no
result.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ..optimizers.base import Optimizer

Arrays = Mapping[str, np.ndarray]
"""Of a table: ``"vectors"``, of shape (rows, D), D a multiple of 16; and the optimizer's state."""

Block = Mapping[str, Arrays]
"""By the table's name."""


class Changes(NamedTuple):
    """What a shard changed in the rows of a table that a block has."""

    rows: np.ndarray  # (R,) int32: places in the block, rising
    touches: np.ndarray  # (R,) uint32: steps in which each row moved, 1 or more
    arrays: Arrays  # as in the block, but of these R rows only


BLOCK_BYTES = 1 << 26
"""Blocks are at most so large, about."""


def count_blocks(n_bytes: int, n_workers: int) -> int:
    """Return how many blocks a state of so many bytes is cut into: one a worker, at least."""
    return max(1, n_workers, -(-n_bytes // BLOCK_BYTES))


def rows_of_block(n_rows: int, block: int, n_blocks: int) -> slice:
    """Return the rows of a table that a block has."""
    return slice(n_rows * block // n_blocks, n_rows * (block + 1) // n_blocks)


def arrays_of(optimizer: Optimizer) -> dict[str, np.ndarray]:
    """Return all that training changes in a table: the arrays themselves."""
    return {"vectors": optimizer.param, **optimizer.state}


def blocks_of(tables: Mapping[str, Optimizer], n_blocks: int) -> Iterator[dict[str, Arrays]]:
    """Yield the blocks of some tables; they are views."""
    for block in range(n_blocks):
        yield {
            name: {
                kind: array[rows_of_block(len(array), block, n_blocks)]
                for kind, array in arrays_of(optimizer).items()
            }
            for name, optimizer in tables.items()
        }


def fill_tables(tables: Mapping[str, Optimizer], blocks: Sequence[Block]) -> None:
    """Copy all blocks of a state into the tables."""
    for k, block in enumerate(blocks):
        fill_block(tables, block, k, len(blocks))


def fill_block(tables: Mapping[str, Optimizer], block: Block, k: int, n_blocks: int) -> None:
    """Copy a block into its place in the tables."""
    for name, optimizer in tables.items():
        for kind, array in arrays_of(optimizer).items():
            array[rows_of_block(len(array), k, n_blocks)] = block[name][kind]


def changes_of(
    tables: Mapping[str, Optimizer], touches: Mapping[str, np.ndarray], n_blocks: int
) -> list[dict[str, Changes]]:
    """Return what was changed in the tables, block by block: copies."""
    changes: list[dict[str, Changes]] = []
    for k in range(n_blocks):
        of_tables = {}
        for name, optimizer in tables.items():
            there = rows_of_block(len(optimizer.param), k, n_blocks)
            rows = np.flatnonzero(touches[name][there]).astype(np.int32)
            arrays = {kind: array[there][rows] for kind, array in arrays_of(optimizer).items()}
            of_tables[name] = Changes(rows, touches[name][there][rows], arrays)
        changes.append(of_tables)
    return changes
