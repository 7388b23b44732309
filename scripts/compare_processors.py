"""Train as on several x86 processors, move runs between them, and compare the bytes.

    python scripts/compare_processors.py                  # three epochs of the sample corpus
    python scripts/compare_processors.py corpus.txt --optimizer dense-adam

Numba compiles for each target in turn, with a compile cache of its own, and NumPy leaves out the
instructions that the target lacks. One run goes to its end; another is interrupted and resumed on
the next target, with another number of threads. All vectors must be those of this processor.
What follows the corpus goes to ``w2v-train``. Exits with 1 if bytes differ.

A target with instructions that this processor lacks cannot be run here.
"""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SAMPLE = Path(__file__).resolve().parent.parent / "data" / "sample.txt"
COMMAND = [sys.executable, "-m", "w2v_sparseadam.commands.train"]
AVX2, AVX512 = "X86_V3", "X86_V4 AVX512_ICL AVX512_SPR"  # what NumPy may leave out
TARGETS = {
    "x86-64": f"{AVX2} {AVX512}",
    "haswell": AVX512,
    "broadwell": AVX512,
    "skylake": AVX512,
    "skylake-avx512": "AVX512_ICL AVX512_SPR",
    "znver3": AVX512,
    "znver4": "",
}


def environment(target: str, folder: Path) -> dict[str, str]:
    """Return the environment in which Numba and NumPy take the processor for another."""
    variables = {"NUMBA_CACHE_DIR": str(folder / f"cache-{target}")}
    if target:
        variables |= {
            "NUMBA_CPU_NAME": target,
            "NUMBA_CPU_FEATURES": "",  # those of the target
            "NPY_DISABLE_CPU_FEATURES": TARGETS[target],
        }
    return {**os.environ, **variables}


def trained(target: str, folder: Path, arguments: list[str]) -> str:
    """Train or resume on a target, and return the SHA-256 of the vectors."""
    output = folder / "vectors.bin"
    command = [*COMMAND, *arguments, "-q", "-o", str(output)]
    subprocess.run(command, env=environment(target, folder), check=True)
    return hashlib.sha256(output.read_bytes()).hexdigest()


def interrupt(target: str, folder: Path, run_dir: Path, arguments: list[str]) -> None:
    """Start a run in a folder, and interrupt it after its first epoch."""
    command = [*COMMAND, *arguments, "-q", "--run-dir", str(run_dir)]
    environ = environment(target, folder)
    with subprocess.Popen(command, env=environ, stderr=subprocess.DEVNULL) as process:
        log = run_dir / "log.jsonl"
        while process.poll() is None and not (log.exists() and '"epoch"' in log.read_text()):
            time.sleep(0.01)
        process.terminate()
    if process.returncode != 128 + signal.SIGTERM:
        raise SystemExit(f"{target}: not interrupted; take a longer text or more epochs")


def main() -> None:
    """Compare all targets with this processor."""
    arguments = sys.argv[1:] or [str(SAMPLE), "--epochs", "3"]
    if arguments[0] in {"-h", "--help"}:
        raise SystemExit(__doc__)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        expected = trained("", folder, arguments)
        print(f"{'this processor':32} {expected[:16]}", flush=True)
        same = True
        names = list(TARGETS)
        for start, end in zip(names, [*names[1:], names[0]], strict=True):
            found = trained(start, folder, arguments)
            interrupt(start, folder, folder / start, [*arguments, "--threads", "1"])
            moved = trained(end, folder, ["--resume", str(folder / start), "--threads", "2"])
            for what, digest in ((start, found), (f"{start} -> {end}", moved)):
                print(f"{what:32} {digest[:16]}", flush=True)
                same &= digest == expected
        raise SystemExit(not same)


if __name__ == "__main__":
    main()
