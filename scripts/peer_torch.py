"""Train PyTorch's Embedding(sparse=True) with SparseAdam, for ``bench_peers.py``.

It trains the same loss on pairs drawn by the same rules, without subsampling's and the windows'
cost (they are prepared before the clock starts), for a limited time.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from typing import Any

TORCH_BATCHES = (1024, 4096, 16384, 65536)


def train(args: argparse.Namespace) -> float:
    """Train with Embedding(sparse=True) and SparseAdam; return seconds for the whole corpus.

    Each batch size trains for a share of ``args.torch_seconds``; the best speed, in tokens of the
    corpus a second, is carried over to all of it.
    """
    import torch

    torch.set_num_threads(args.threads)
    centers, contexts, noise, n_tokens, n_words = _pairs(args)
    pairs_a_token = len(centers) / n_tokens
    speeds = {}
    for size in TORCH_BATCHES:
        center = torch.nn.Embedding(n_words, args.dim, sparse=True)
        context = torch.nn.Embedding(n_words, args.dim, sparse=True)
        torch.nn.init.zeros_(context.weight)
        parameters = [*center.parameters(), *context.parameters()]
        optimizer = torch.optim.SparseAdam(parameters, lr=0.02)
        began, first = time.perf_counter(), 0
        while time.perf_counter() - began < args.torch_seconds / len(TORCH_BATCHES):
            rows = slice(first, first + size)
            if rows.stop > len(centers):
                break
            negatives = torch.multinomial(noise, size * args.negative, replacement=True)
            v = center(torch.from_numpy(centers[rows]))
            u = context(torch.from_numpy(contexts[rows]))
            n = context(negatives.view(size, args.negative))
            near = torch.nn.functional.logsigmoid((v * u).sum(1))
            far = torch.nn.functional.logsigmoid(-(n @ v.unsqueeze(2)).squeeze(2))
            loss = -(near.sum() + far.sum())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            first = rows.stop
        speeds[size] = first / (time.perf_counter() - began) / pairs_a_token
    return n_tokens * args.epochs / max(speeds.values())


def _pairs(args: argparse.Namespace) -> tuple[Any, Any, Any, int, int]:
    """Return the corpus' pairs, by word2vec's rules, and its noise distribution."""
    import numpy as np
    import torch

    rng = np.random.default_rng(1)
    ids, counts = _word_ids(args)
    n_tokens = int((ids >= 0).sum())
    frequency = counts / counts.sum()
    keep = np.sqrt(args.subsample / frequency) + args.subsample / frequency
    kept = ids[(ids < 0) | (rng.random(ids.size) < keep[ids])]
    sentence = np.cumsum(kept < 0)
    reach = rng.integers(1, args.window + 1, kept.size)
    centers, contexts = [], []
    for distance in range(1, args.window + 1):
        same = (sentence[distance:] == sentence[:-distance]) & (kept[distance:] >= 0)
        same &= kept[:-distance] >= 0
        for source, target in (
            (slice(distance, None), slice(-distance)),
            (slice(-distance), slice(distance, None)),
        ):
            chosen = same & (reach[source] >= distance)
            places = np.flatnonzero(chosen)
            centers.append(np.stack([np.arange(kept.size)[source][places], kept[source][places]]))
            contexts.append(kept[target][places])
    center = np.concatenate(centers, axis=1)
    order = np.argsort(center[0], kind="stable")
    noise = torch.from_numpy(counts**0.75)
    return center[1][order], np.concatenate(contexts)[order], noise, n_tokens, counts.size


def _word_ids(args: argparse.Namespace) -> tuple[Any, Any]:
    """Return the corpus as word ids, −1 after each line, and the counts of the words."""
    import numpy as np

    with open(args.corpus, encoding="utf-8") as stream:
        counter = Counter(word for line in stream for word in line.split())
    common = {word: n for word, n in counter.most_common() if n >= args.min_count}
    word_ids = {word: word_id for word_id, word in enumerate(common)}
    ids: list[int] = []
    with open(args.corpus, encoding="utf-8") as stream:
        for line in stream:
            ids.extend(word_ids[word] for word in line.split() if word in word_ids)
            ids.append(-1)
    return np.array(ids), np.array(list(common.values()), np.float64)
