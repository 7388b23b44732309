"""The package as a whole: who imports whom, and what is public."""

import ast
import pydoc
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import w2v_sparseadam
from w2v_sparseadam import version
from w2v_sparseadam.simd import kernels

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "w2v_sparseadam"

# A file imports from its own folder, without going in circles, and from those above it.
ORDER = [
    "errors",
    "events",
    "fields",
    "version",
    "system",
    "simd",
    "text",
    "optimizers",
    "objectives",
    "runs",
    "vectors",
    "evaluation",
    "engine",
    "training",
    "distributed",
    "benchmark",
    "report",
    "",  # the package itself, which gives its public names
    "commands",
    "__main__",
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
                path = PACKAGE.parent.joinpath(*inner.split("."))
                is_module = path.with_suffix(".py").exists() or path.is_dir()
                yield node.lineno, inner if is_module else base


def faults(source, name, is_package=False):
    """Return a line for each import that runs against the order of the stations."""
    found = []
    for line, module in imported(ast.parse(source), name, is_package):
        where = f"{name or '__init__'}, line {line}: imports {module}"
        top = module.split(".")[0]
        if top == "click" and not name.startswith("commands"):
            found.append(f"{where}, which only commands may")
        elif top == "tqdm" and name != "training.progress_bar":
            found.append(f"{where}, which only training.progress_bar may")
        elif top == "w2v_sparseadam":
            theirs = module.removeprefix("w2v_sparseadam").lstrip(".").split(".")[0]
            if ORDER.index(theirs) > ORDER.index(name.split(".")[0]):
                found.append(f"{where}, which does not come before it")
    return found


def circles(uses):
    """Return the names that can be reached from themselves, given what each one uses."""
    reached = {name: set(used) for name, used in uses.items()}
    for middle in uses:
        for name in uses:
            if middle in reached[name]:
                reached[name] |= reached[middle]
    return {name for name in uses if name in reached[name]}


def test_every_folder_has_its_place():
    modules = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"}
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert modules | folders == set(ORDER) - {""}


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=name_of)
def test_imports_run_one_way(path):
    assert faults(path.read_text(), name_of(path), path.name == "__init__.py") == []


def without_types(tree):
    """Leave out what is imported for type checkers alone."""
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    return tree


def test_no_imports_go_in_circles():
    uses = {}
    for path in PACKAGE.rglob("*.py"):
        name = name_of(path)
        tree = without_types(ast.parse(path.read_text()))
        found = imported(tree, name, path.name == "__init__.py")
        uses[name] = {module.removeprefix("w2v_sparseadam").lstrip(".") for _, module in found}
    assert circles(uses) == set()


def test_the_order_of_imports_is_really_checked():
    later = "vectors.search, line 2: imports w2v_sparseadam.training.train, which does not come "
    later += "before it"
    assert faults("import os\nfrom ..training.train import train", "vectors.search") == [later]
    absolute = "import os\nfrom w2v_sparseadam.training import train"
    assert faults(absolute, "vectors.search") == [later]
    assert faults("def f():\n    from ..training import train", "vectors.search") == [later]
    assert faults("def f():\n    import w2v_sparseadam.training.train", "vectors.search") == [later]
    assert faults("from ..errors import W2VError\nfrom .search import x", "vectors.vectors") == []
    click = "training.train, line 1: imports click, which only commands may"
    assert faults("import click", "training.train") == [click]
    assert faults("import click", "commands.train") == []
    tqdm = "commands.train, line 1: imports tqdm, which only training.progress_bar may"
    assert faults("from tqdm import tqdm", "commands.train") == [tqdm]
    assert faults("from tqdm import tqdm", "training.progress_bar") == []
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == {"b", "c"}


def test_public_names_are_there():
    names = {}
    exec("from w2v_sparseadam import *", names)
    assert {"train", "SparseAdam", "DenseAdam", "Vectors", "W2VError"} <= set(names)
    assert set(w2v_sparseadam.__all__) <= set(dir(w2v_sparseadam))
    for name in w2v_sparseadam.__all__:
        assert getattr(w2v_sparseadam, name).__doc__


def test_help_shows_the_public_names_alone():
    assert set(dir(w2v_sparseadam)) == {*w2v_sparseadam.__all__, "__version__"}
    page = pydoc.plain(pydoc.render_doc(w2v_sparseadam))
    shown = re.findall(r"^    (?:class )?(\w+)\(", page, re.MULTILINE)
    assert sorted(shown) == sorted(w2v_sparseadam.__all__)


def test_type_checkers_see_the_same_names():
    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {(alias.name, node.module) for node in block.body for alias in node.names}
    assert seen == set(w2v_sparseadam._HOMES.items())


def test_unknown_name():
    with pytest.raises(AttributeError, match=r"^module 'w2v_sparseadam' has no attribute 'tran'$"):
        w2v_sparseadam.tran  # noqa: B018


def test_the_training_version_covers_the_code_that_trains():
    assert re.fullmatch(r"0\.1\.0\+[0-9a-f]{8}", version.training_version())
    holding = {p.relative_to(PACKAGE).parts[0] for p in kernels.kernel_sources()}
    # The text itself is in the folder of the run.
    assert holding - {"text"} <= set(version._TRAINING_FOLDERS)


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
        ("import w2v_sparseadam.commands.html_report", ["numpy", "numba", "plotly", "tqdm"]),
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
