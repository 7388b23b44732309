"""Settings of Sphinx. ``sphinx-build docs site`` builds the site."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from w2v_sparseadam import __version__

project = "w2v-sparseadam"
author = "The w2v-sparseadam developers"
project_copyright = author
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "command_reference"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
suppress_warnings = ["myst.header"]  # the README, included in a page, begins at its first heading

autodoc_typehints = "none"  # the docstrings have types, with shapes
autodoc_member_order = "bysource"
napoleon_numpy_docstring = True
napoleon_google_docstring = False
napoleon_use_rtype = False
default_role = "py:obj"
nitpicky = True
# Types in docstrings are prose ("ndarray of shape (V, D), float32"), and backquotes hold any code.
nitpick_ignore_regex = [("py:(class|obj)", ".*")]

html_theme = "furo"
html_title = f"{project} {version}"
html_copy_source = False
html_static_path = ["_static"]
html_css_files = ["site.css"]
highlight_language = "none"
pygments_style = "friendly"


def keep_equations(app, what, name, obj, options, lines):
    """Mark indented blocks of a docstring, which are equations, as literal."""
    for i in range(len(lines) - 1, 1, -1):
        before = next((line for line in reversed(lines[:i]) if line.strip()), "")
        if lines[i].startswith("    ") and not lines[i - 1].strip() and before[:1].strip():
            lines[i:i] = ["::", ""]


def setup(app):
    """Connect before napoleon, which indents descriptions of parameters."""
    app.connect("autodoc-process-docstring", keep_equations, priority=400)
