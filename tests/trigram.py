"""A second objective, small enough to read, that shows what the engine asks of one.

Each word between two others of its sentence is predicted from them: with one table for what a word
says as a left neighbor, one as a right neighbor, and one as the word itself,

    loss = log(1 + exp(−(left[a] + right[b]) · middle[w]))
"""

import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from w2v_sparseadam.objectives.base import Objective, register
from w2v_sparseadam.objectives.settings import ObjectiveSettings, Table
from w2v_sparseadam.optimizers.groups import Groups, group, groups_of_ring
from w2v_sparseadam.simd.kernels import inlined

CHUNK = 16


@dataclass(frozen=True)
class TrigramConfig(ObjectiveSettings):
    kinds: ClassVar = ("middle",)
    dim: int = 8
    skip: int = 0  # leave out the words at every so many-th place

    def tables(self, words):
        return tuple(Table(name, len(words), True) for name in ("left", "right", "middle"))

    def vectors(self, tables, kind, words):
        return tables[kind]

    def build(self, counts, frozen=None, words=()):
        return Trigram(self, counts)


class Rule(NamedTuple):
    skip: int


class Plan(NamedTuple):
    words: np.ndarray  # (capacity, 3) int32
    groups: tuple[Groups, Groups, Groups]  # a place is the number of an example
    n_chunks: np.ndarray
    n_tokens: np.ndarray
    n_pairs: np.ndarray


class Scratch(NamedTuple):
    slots: np.ndarray  # (V,) int32, −1
    places: np.ndarray  # (capacity,) int32
    cursors: np.ndarray  # (capacity,) int32
    ends: np.ndarray  # (chunks,) int64


class Trigram(Objective):
    draws = ("position",)

    def __init__(self, settings, counts):
        self.tables = settings.tables(range(counts.size))
        self.rule = Rule(settings.skip)
        self._n = float(counts.sum())

    def n_examples(self):
        return self._n

    def most_chunks(self, capacity):
        return -(-capacity // CHUNK)

    def plans(self, word_ids, positions, n):
        capacity = min(positions, word_ids.size)
        ones = [np.zeros((n, 1), np.int64) for _ in range(3)]
        groups = tuple(Groups.allocate(capacity, self.most_chunks(capacity), n) for _ in range(3))
        return Plan(np.zeros((n, capacity, 3), np.int32), groups, *ones)

    def plan_scratch(self, plans):
        capacity = plans.words.shape[1]
        rooms = [np.zeros(capacity, np.int32) for _ in range(2)]
        ends = np.zeros(self.most_chunks(capacity), np.int64)
        return Scratch(np.full(self.tables[0].n_rows, -1, np.int32), *rooms, ends)

    def scratch(self, n_dims):
        return Scratch(*(np.zeros(1, np.int32) for _ in range(3)), np.zeros(1, np.int64))


@inlined
def view(rule, ring, k):
    a, b, c = ring.groups
    groups = groups_of_ring(a, k), groups_of_ring(b, k), groups_of_ring(c, k)
    return Plan(ring.words[k], groups, ring.n_chunks[k], ring.n_tokens[k], ring.n_pairs[k])


@inlined
def fill(rule, word_ids, start, stop, keys, scratch, plan):
    n = n_tokens = 0
    for i in range(start, stop):
        n_tokens += word_ids[i] >= 0
        if i == 0 or i == word_ids.size - 1 or (rule.skip > 0 and i % rule.skip == 0):
            continue
        left, middle, right = word_ids[i - 1], word_ids[i], word_ids[i + 1]
        if min(left, middle, right) >= 0:
            plan.words[n, 0], plan.words[n, 1], plan.words[n, 2] = left, right, middle
            scratch.places[n] = n
            n += 1
    n_chunks = (n + CHUNK - 1) // CHUNK
    for chunk in range(n_chunks):
        scratch.ends[chunk] = min((chunk + 1) * CHUNK, n)
    for table in range(3):
        words, groups = plan.words[:, table], plan.groups[table]
        group(words, scratch.places, scratch.ends, n_chunks, scratch.slots, scratch.cursors, groups)
    plan.n_chunks[0] = n_chunks
    plan.n_tokens[0], plan.n_pairs[0] = n_tokens, n


@inlined
def gradients(rule, params, plan, chunk, scratch, grads):
    loss = 0.0
    for i in range(chunk * CHUNK, min((chunk + 1) * CHUNK, plan.n_pairs[0])):
        left, right = params[0][plan.words[i, 0]], params[1][plan.words[i, 1]]
        middle = params[2][plan.words[i, 2]]
        score = 0.0
        for d in range(middle.size):
            score += (left[d] + right[d]) * middle[d]
        loss += math.log1p(math.exp(-score))
        factor = np.float32(-1 / (1 + math.exp(score)))
        for d in range(middle.size):
            grads[0][i, d] = grads[1][i, d] = factor * middle[d]
            grads[2][i, d] = factor * (left[d] + right[d])
    return loss


register(Rule, view=view, fill=fill, gradients=gradients)


def reference_step(tables, word_ids, start, stop, lr):
    """Take a step of SGD in float64; return the loss."""
    moved = {name: table.copy() for name, table in tables.items()}
    loss = 0.0
    for i in range(max(1, start), min(stop, len(word_ids) - 1)):
        a, w, b = word_ids[i - 1 : i + 2]
        if min(a, w, b) < 0:
            continue
        left, right, middle = tables["left"][a], tables["right"][b], tables["middle"][w]
        score = (left + right) @ middle
        loss += np.log1p(np.exp(-score))
        factor = -1 / (1 + np.exp(score))
        moved["left"][a] -= lr * factor * middle
        moved["right"][b] -= lr * factor * middle
        moved["middle"][w] -= lr * factor * (left + right)
    tables.update(moved)
    return loss
