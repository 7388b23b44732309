#!/usr/bin/env python
"""Feed hostile files to a loader, guided by the code that they reach.

    pip install atheris
    python scripts/fuzz_loaders.py vectors -max_total_time=60
    python scripts/fuzz_loaders.py runs -max_total_time=60
    python scripts/fuzz_loaders.py models -max_total_time=60
    python scripts/fuzz_loaders.py formats -max_total_time=60

``vectors`` is the loader of word vectors: what loads must come back from a file to the bit.
``runs`` is what reads the folder of a run: an input replaces one of its files, and checksums are
made right, so that it gets past them. ``models`` is what reads the file of a model, whose checksum
is made right likewise. ``formats`` is what reads all other formats: an input replaces one of their
files. Each input must load, or be refused in one line that names
the place. Anything else, and an input that takes more than 2 GB, stops the search and leaves the
input in a file ``crash-*``. Options are libFuzzer's. The corpus is not kept unless a folder for it
is named.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import atheris
import numpy as np

with atheris.instrument_imports(include=["w2v_sparseadam"]):
    from w2v_sparseadam.errors import FormatError, W2VError
    from w2v_sparseadam.events import EpochEnded, Event
    from w2v_sparseadam.objectives.skip_gram.settings import SkipGramConfig
    from w2v_sparseadam.optimizers.settings import OptimizerConfig
    from w2v_sparseadam.runs import checkpoint_file, inputs, sealed_json
    from w2v_sparseadam.runs.folder import RunFolder
    from w2v_sparseadam.text.vocabulary import Vocabulary
    from w2v_sparseadam.training.initialize import Start
    from w2v_sparseadam.training.model import Model
    from w2v_sparseadam.training.progress import Progress, RunState
    from w2v_sparseadam.training.settings import RunConfig, Settings, text_of
    from w2v_sparseadam.vectors.formats import registry
    from w2v_sparseadam.vectors.subwords import Subwords
    from w2v_sparseadam.vectors.vectors import Vectors

    for entry in registry.FORMATS:
        entry.load()

GOLDEN = Path(__file__).resolve().parent.parent / "tests" / "golden"
LIMITS = ("-rss_limit_mb=2048", "-timeout=20", "-max_len=4096", "-keep_seed=1", "-len_control=0")
FILES = (
    "settings.json",
    "text.json",
    "vocabulary.txt",
    "word_ids.i32",
    "checkpoints/step-000000000003.safetensors",
)
SETTINGS = {
    "text": {},
    "skip_gram": vars(SkipGramConfig(dim=2)),
    "optimizer": vars(OptimizerConfig("sgd")),
    "run": vars(RunConfig(epochs=2)),
    "paths": ["/a.txt"],
    "inputs": [["/a.txt", 3, 1]],
    "has_init": False,
    "freeze": [],
    "first_epoch": 0,
    "added_epochs": [],
}

Target = tuple[Callable[[bytes], None], list[bytes]]
"""What takes an input, and inputs to begin with."""


def refused(load: Callable[[], object], place: Path) -> bool:
    """Whether what is loaded is refused, in one line that names the place."""
    try:
        load()
    except W2VError as error:
        message = str(error)
        assert message.startswith(str(place)), message
        assert message.isprintable(), message
        return True
    return False


def vectors_target(folder: Path) -> Target:
    """Return what loads an input as a file of vectors."""
    path, again = folder / "x.vec", folder / "again.bin"

    def load(content: bytes) -> None:
        path.write_bytes(content)
        if refused(lambda: Vectors.load(path), path):
            return
        vectors = Vectors.load(path)
        assert np.isfinite(vectors.matrix).all()
        vectors.save(again)
        loaded = Vectors.load(again)
        assert loaded.words == vectors.words
        assert loaded.matrix.tobytes() == vectors.matrix.tobytes()

    return load, [path.read_bytes() for path in GOLDEN.glob("vectors.*")]


def sealed(content: bytes) -> bytes:
    """Return a checkpoint whose checksum is right, if it has room for one."""
    found = checkpoint_file._DIGEST.search(content)
    if found is None:
        return content
    blank = content[: found.start(1)] + b"0" * 64 + content[found.end(1) :]
    digest = hashlib.sha256(blank).hexdigest().encode()
    return content[: found.start(1)] + digest + content[found.end(1) :]


def signed(content: bytes) -> bytes:
    """Return a JSON file of a run whose checksum is right, if it is one."""
    try:
        found = json.loads(content)
        found.pop("checksum", None)
        return json.dumps(sealed_json.sealed(found)).encode()
    except (ValueError, AttributeError, RecursionError):
        return content


def runs_target(folder: Path) -> Target:
    """Return what takes an input's first byte for the file of a run that the rest replaces."""
    path = folder / "run"
    vocabulary = Vocabulary(["a", "b", "é"], np.array([3, 2, 1]))
    arrays = {f"{side}.vectors": np.ones((3, 2), np.float32) for side in ("center", "context")}
    progress = {**Progress().as_dict(), "step": 3, "loss": 0.5}
    state = {"progress": progress, "steps_an_epoch": 2, "step_counts": [3, 3], "version": "0"}
    with RunFolder.create(path, SETTINGS) as run:
        run.keep_text(vocabulary, np.array([0, 1, 2, -1], np.int32))
        checkpoint_file.write_checkpoint(checkpoint_file.path_of(run.checkpoints, 3), arrays, state)
    whole = {name: (path / name).read_bytes() for name in FILES}

    def read() -> None:
        with RunFolder.open(path) as run:
            Settings.read(run.settings, path)
            text_of(run.settings, path)
            with contextlib.suppress(W2VError):  # what names another file
                inputs.check_inputs(path, run.settings)
            RunState.read(checkpoint_file.last_state(run.checkpoints), path)
            known, word_ids = run.load_text()
            assert word_ids.max() < len(known)
        heard: list[Event] = []  # that the run is not finished
        Vectors.load(path, on_event=heard.append)
        start = Start.load(path, on_event=heard.append)
        assert start.arrays["center.vectors"].shape == (len(start.words), start.dim)

    def load(content: bytes) -> None:
        name, new = FILES[content[0] % len(FILES)] if content else FILES[0], content[1:]
        contents = {**whole, name: sealed(new) if name.startswith("checkpoints") else new}
        if name in {"vocabulary.txt", "word_ids.i32"}:
            text = json.loads(whole["text.json"])
            text["sha256"][name.partition(".")[0]] = hashlib.sha256(new).hexdigest()
            if name == "word_ids.i32":
                text["positions"] = max(1, len(new) // 4)
            contents["text.json"] = json.dumps(text).encode()
        for file in ("settings.json", "text.json"):
            contents[file] = signed(contents[file])
        for file, data in contents.items():
            (path / file).parent.mkdir(exist_ok=True)
            (path / file).write_bytes(data)
        refused(read, path)

    read()
    return load, [bytes([k]) + whole[name] for k, name in enumerate(FILES)]


def models_target(folder: Path) -> Target:
    """Return what loads an input as the file of a model."""
    path = folder / "x.safetensors"
    tables = {name: np.ones((3, 2), np.float32) for name in ("center", "context")}
    history = (EpochEnded(1, 6, 2.0, 0.5, 0.1),)
    model = Model(["a", "b", "é"], np.array([3, 2, 1]), tables, 0.5, SkipGramConfig(dim=2), history)
    model.save(path)

    def load(content: bytes) -> None:
        path.write_bytes(sealed(content))
        refused(lambda: Vectors.load(path), path)
        if not refused(lambda: Model.load(path), path):
            loaded = Model.load(path)
            assert loaded.counts.shape == (len(loaded.words),)
            assert loaded.center_vectors.shape == (len(loaded.words), loaded.objective.dim)

    return load, [path.read_bytes()]


def formats_target(folder: Path) -> Target:
    """Return what takes an input's first byte for the file that the rest replaces."""
    ngrams = Subwords.of(np.ones((5, 2), np.float32), 2, 3, 5)
    vectors = Vectors(["a", "b", "é"], np.eye(3, 2), np.array([3, 2, 1]), ngrams)
    files = [
        "x.npy",
        "x.words.txt",
        "x.kv",
        "x.tsv",
        "x_metadata.tsv",
        "x.parquet",
        "x.model2vec/model.safetensors",
        "x.model2vec/tokenizer.json",
        "x.safetensors",
        "x.glove",
        "x.fasttext",
    ]
    second = {"x.words.txt": "x.npy", "x_metadata.tsv": "x.tsv"}
    for name in {Path(name).parts[0] for name in files}.difference(second):
        vectors.save(folder / name)
    whole = {name: (folder / name).read_bytes() for name in files}

    def load(content: bytes) -> None:
        name, new = files[content[0] % len(files)] if content else files[0], content[1:]
        (folder / name).write_bytes(new)
        first = Path(second.get(name, name)).parts[0]
        if not refused(lambda: Vectors.load(folder / first), folder):
            loaded = Vectors.load(folder / first)
            assert np.isfinite(loaded.matrix).all()
            assert len(set(loaded.words)) == len(loaded.matrix)
            if loaded.subwords is not None:
                # A word with n-grams that are known, or not, or not finite.
                with contextlib.suppress(W2VError):
                    assert np.isfinite(loaded["abé"]).all()
                with contextlib.suppress(FormatError):  # a word that fastText cannot hold
                    loaded.save(folder / "again.fasttext")
        (folder / name).write_bytes(whole[name])

    return load, [bytes([k]) + whole[name] for k, name in enumerate(files)]


TARGETS = {
    "vectors": vectors_target,
    "runs": runs_target,
    "models": models_target,
    "formats": formats_target,
}


def main() -> None:
    """Fuzz in a process of its own, which libFuzzer ends, and clean up after it."""
    if sys.argv[1:2] not in [[name] for name in TARGETS]:
        sys.exit(f"name what to fuzz: {' or '.join(TARGETS)}")
    # Memory, where there is some: the fuzzer writes thousands of files.
    parent = "/dev/shm" if os.path.isdir("/dev/shm") else None
    with tempfile.TemporaryDirectory(dir=parent) as folder:
        if os.fork() == 0:
            fuzz(sys.argv[1], Path(folder))
        _, status = os.wait()
    sys.exit(os.waitstatus_to_exitcode(status))


def fuzz(name: str, folder: Path) -> None:
    """Fuzz until libFuzzer's options say stop; does not return."""
    load, seeds = TARGETS[name](folder)
    (folder / "seeds").mkdir()
    for number, seed in enumerate(seeds):
        (folder / "seeds" / str(number)).write_bytes(seed)
    own = [argument for argument in sys.argv[2:] if not argument.startswith("-")]
    options = [argument for argument in sys.argv[2:] if argument.startswith("-")]
    atheris.Setup([sys.argv[0], *LIMITS, *options, *own, str(folder / "seeds")], load)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
