"""The package as a whole: who imports whom, what is public, and what the README says."""

import ast
import importlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import w2v_sparseadam
from w2v_sparseadam import version

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "w2v_sparseadam"

# Each module imports from those above it only.
STATIONS = [
    "errors",
    "machine",
    "zstd",
    "version",
    "output",
    "kernels",
    "workers",
    "text",
    "text.sources",
    "text.magic",
    "text.compression",
    "text.tokenizers",
    "text.config",
    "text.words",
    "text.vocabulary",
    "text.wordlists",
    "text.encodings",
    "text.formats",
    "text.reader",
    "text.spaces",
    "text.scanner",
    "text.typewords",
    "text.temporary",
    "text.report",
    "text.lines",
    "text.phrases",
    "text.corpus",
    "text.events",
    "lanes",
    "atomics",
    "plan",
    "gradients",
    "rules",
    "optimizers",
    "engine",
    "memory",
    "vectors",
    "run_folder",
    "checkpoint",
    "divergence",
    "start",
    "config",
    "model",
    "steps",
    "growth",
    "training",
    "forecast",
    "evaluation",
    "benchmark",
    "plots",
    "",  # the package itself, which gives its public names
    "commands.hurry",
    "commands",
    "commands.text_options",
    "commands.reading",
    "commands.runs",
    "commands.report",
    "commands.train",
    "commands.vocab",
    "commands.eval",
    "commands.neighbors",
    "commands.bench",
]


def name_of(path):
    """Return the name of a module below the package."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def imported(tree, name, is_package):
    """Yield (line, module) for everything that a module imports, in functions too.

    All but the version, which stands in the package itself.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                here = ["w2v_sparseadam", *filter(None, name.split("."))]
                up = len(here) - node.level + is_package
                base = ".".join([*here[:up], *filter(None, [node.module])])
            for alias in node.names:
                if alias.name == "__version__":
                    continue
                inner = f"{base}.{alias.name}"
                known = inner.removeprefix("w2v_sparseadam.") in STATIONS
                yield node.lineno, inner if known else base


def faults(source, name, is_package=False):
    """Return a line for each import that runs against the order of the stations."""
    found = []
    for line, module in imported(ast.parse(source), name, is_package):
        where = f"{name or '__init__'}, line {line}: imports {module}"
        top = module.split(".")[0]
        if top in {"click", "tqdm"} and not name.startswith("commands"):
            found.append(f"{where}, which only commands may")
        elif top == "w2v_sparseadam":
            station = module.removeprefix("w2v_sparseadam").lstrip(".")
            if station not in STATIONS or STATIONS.index(station) >= STATIONS.index(name):
                found.append(f"{where}, which does not come before it")
    return found


def test_every_module_is_a_station():
    assert {name_of(path) for path in PACKAGE.rglob("*.py")} == set(STATIONS)


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=name_of)
def test_imports_run_one_way(path):
    assert faults(path.read_text(), name_of(path), path.name == "__init__.py") == []


def test_the_order_of_imports_is_really_checked():
    later = "vectors, line 2: imports w2v_sparseadam.training.train, which does not come before it"
    assert faults("import os\nfrom .training import train", "vectors") == [later]
    assert faults("import os\nfrom w2v_sparseadam import training", "vectors") == [later]
    assert faults("def f():\n    from . import training", "vectors") == [later]
    assert faults("def f():\n    import w2v_sparseadam.training.train", "vectors") == [later]
    assert faults("from .errors import W2VError\nfrom .output import x", "vectors") == []
    inner = "text.reader, line 1: imports w2v_sparseadam.text.corpus, which does not come before it"
    assert faults("from .corpus import Corpus", "text.reader") == [inner]
    assert faults("from ..errors import TextError", "text.reader") == []
    later = "text, line 1: imports w2v_sparseadam.text.corpus, which does not come before it"
    assert faults("from .corpus import Corpus", "text", is_package=True) == [later]
    click = "training, line 1: imports click, which only commands may"
    assert faults("import click", "training") == [click]
    assert faults("import click", "commands.train") == []


def test_public_names_are_there():
    names = {}
    exec("from w2v_sparseadam import *", names)
    assert {"train", "SparseAdam", "DenseAdam", "Vectors", "W2VError"} <= set(names)
    assert set(w2v_sparseadam.__all__) <= set(dir(w2v_sparseadam))
    for name in w2v_sparseadam.__all__:
        assert getattr(w2v_sparseadam, name).__doc__


def test_type_checkers_see_the_same_names():
    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {(alias.name, node.module) for node in block.body for alias in node.names}
    assert seen == set(w2v_sparseadam._HOMES.items())


def test_unknown_name():
    with pytest.raises(AttributeError, match=r"^module 'w2v_sparseadam' has no attribute 'tran'$"):
        w2v_sparseadam.tran  # noqa: B018


def test_the_training_version_names_what_decides_the_bytes():
    assert re.fullmatch(r"0\.1\.0\+[0-9a-f]{8}", version.training_version())
    decide = {path.stem for path in PACKAGE.glob("*.py") if b"@kernel" in path.read_bytes()}
    assert decide - {"kernels"} <= set(version._DECIDE)


def test_version_is_that_of_the_metadata():
    metadata = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert w2v_sparseadam.__version__ == metadata["project"]["version"]


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import w2v_sparseadam", ["click", "numpy", "numba", "tqdm"]),
        ("import w2v_sparseadam.commands.train", ["numpy", "numba", "tqdm"]),
        ("import w2v_sparseadam.commands.vocab", ["numpy", "numba", "tqdm"]),
        ("import w2v_sparseadam.commands.eval", ["numpy", "numba", "tqdm"]),
        ("import w2v_sparseadam.commands.neighbors", ["numpy", "numba", "tqdm"]),
    ],
)
def test_nothing_heavy_is_imported_early(statement, absent):
    script = f"import sys; {statement}; print(*[m for m in {absent} if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (result.stdout, result.stderr) == ("\n", "")


def test_commands_exit_without_looking_for_garbage():
    script = (
        "import atexit, gc; atexit.register(lambda: print(gc.get_freeze_count() > 0)); "
        "import w2v_sparseadam.commands"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (result.stdout, result.stderr) == ("True\n", "")


@pytest.mark.parametrize(
    "name", tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
)
def test_the_readme_names_every_option(name):
    command = importlib.import_module(f"w2v_sparseadam.commands.{name.removeprefix('w2v-')}").main
    readme = (ROOT / "README.md").read_text()
    named = set(re.findall(r"(?<![\w-])--?[a-z][a-z0-9-]*", readme))
    options = {
        flag
        for param in command.params
        if param.param_type_name == "option"
        for flag in [*param.opts, *param.secondary_opts]
    }
    assert options - {"--version"} <= named
