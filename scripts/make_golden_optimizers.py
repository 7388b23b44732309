"""Write tests/golden/optimizers.npz: what PyTorch's optimizers make of an embedding.

    python scripts/make_golden_optimizers.py [--output FILE]

Needs torch, which the tests that read the file do not. The example is the usual one for
SparseAdam: a 1000 × 50 embedding, ids of shape (4, 5), the sum of the squares of the vectors
looked up as the loss. The first step takes distinct ids; those of later steps repeat. The file
holds

    ids          (steps, 4, 5): the ids of each step
    touched      (R,): the rows that occur in any step, sorted
    start        (R, 50): those rows before the first step
    <optimizer>_first, <optimizer>_last
                 (R, 50): those rows after the first step and after the last
    <optimizer>_exp_avg, <optimizer>_exp_avg_sq
                 (R, 50): their moments after the last step

for the optimizers ``sparse_adam``, ``adam`` and ``sgd`` (which has no moments).
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch

GOLDEN = Path(__file__).resolve().parent.parent / "tests" / "golden" / "optimizers.npz"
SEED = 2015
N_WORDS, N_DIMS, N_STEPS = 1000, 50, 6
LR = 0.01


def make_ids(rng: np.random.Generator) -> np.ndarray:
    """Return ids of shape (steps, 4, 5): distinct at first, then repeating among the same rows."""
    first = rng.choice(N_WORDS, size=(1, 4, 5), replace=False)
    return np.concatenate([first, rng.choice(first.reshape(-1), size=(N_STEPS - 1, 4, 5))])


def train(kind: Any, start: np.ndarray, ids: np.ndarray, touched: np.ndarray) -> dict[str, Any]:
    """Take all steps with one of torch's optimizers and return the rows touched."""
    embedding = torch.nn.Embedding(N_WORDS, N_DIMS, sparse=kind is not torch.optim.Adam)
    embedding.weight.data = torch.from_numpy(start.copy())
    optimizer = kind(embedding.parameters(), lr=LR)
    snapshots = []
    for batch in ids:
        optimizer.zero_grad()
        embedding(torch.from_numpy(batch)).square().sum().backward()
        optimizer.step()
        snapshots.append(embedding.weight.detach().numpy()[touched].copy())
    state = optimizer.state[embedding.weight]
    moments = {
        name: state[name].numpy()[touched] for name in ("exp_avg", "exp_avg_sq") if name in state
    }
    return {"first": snapshots[0], "last": snapshots[-1], **moments}


def main() -> None:
    """Run all three optimizers from the same start and write one file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--output", type=Path, default=GOLDEN)
    output = parser.parse_args().output

    rng = np.random.default_rng(SEED)
    start = rng.standard_normal((N_WORDS, N_DIMS), dtype=np.float32)
    ids = make_ids(rng)
    touched = np.unique(ids)
    arrays = {"ids": ids.astype(np.int16), "touched": touched, "start": start[touched]}
    optimizers = {
        "sparse_adam": torch.optim.SparseAdam,
        "adam": torch.optim.Adam,
        "sgd": torch.optim.SGD,
    }
    for name, kind in optimizers.items():
        for what, array in train(kind, start, ids, touched).items():
            arrays[f"{name}_{what}"] = array
    np.savez_compressed(output, **arrays)


if __name__ == "__main__":
    main()
