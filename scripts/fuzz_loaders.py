#!/usr/bin/env python
"""Feed hostile files to the loader of word vectors, guided by the code that they reach.

    pip install atheris
    python scripts/fuzz_loaders.py -max_total_time=60

Options are libFuzzer's. Each input must load, or be refused in one line that names the file; what
loads must come back from a file to the bit. Anything else, and an input that takes more than 2 GB,
stops the run and leaves the input in a file ``crash-*``. The corpus is not kept unless a folder
for it is named.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import atheris
import numpy as np

with atheris.instrument_imports(include=["w2v_sparseadam"]):
    from w2v_sparseadam.errors import W2VError
    from w2v_sparseadam.vectors import Vectors

SEEDS = Path(__file__).resolve().parent.parent / "tests" / "golden"
LIMITS = ("-rss_limit_mb=2048", "-timeout=20", "-max_len=4096")


def main() -> None:
    """Fuzz in a process of its own, which libFuzzer ends, and clean up after it."""
    # Memory, where there is some: the fuzzer writes thousands of files.
    parent = "/dev/shm" if os.path.isdir("/dev/shm") else None
    with tempfile.TemporaryDirectory(dir=parent) as folder:
        if os.fork() == 0:
            fuzz(Path(folder))
        _, status = os.wait()
    sys.exit(os.waitstatus_to_exitcode(status))


def fuzz(folder: Path) -> None:
    """Fuzz until libFuzzer's options say stop; does not return."""
    seeds = folder / "seeds"
    seeds.mkdir()
    for path in SEEDS.glob("vectors.*"):
        (seeds / path.name).write_bytes(path.read_bytes())
    path, again = folder / "x.vec", folder / "again.bin"

    def load(content: bytes) -> None:
        path.write_bytes(content)
        try:
            vectors = Vectors.load(path)
        except W2VError as error:
            message = str(error)
            assert message.startswith(str(path)), message
            assert message.isprintable(), message
            return
        assert np.isfinite(vectors.matrix).all()
        vectors.save(again)
        loaded = Vectors.load(again)
        assert loaded.words == vectors.words
        assert loaded.matrix.tobytes() == vectors.matrix.tobytes()

    own = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    options = [argument for argument in sys.argv[1:] if argument.startswith("-")]
    atheris.Setup([sys.argv[0], *LIMITS, *options, *own, str(seeds)], load)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
