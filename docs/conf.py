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
napoleon_use_ivar = True  # attributes are listed with their class, and only there
default_role = "py:obj"
nitpicky = True
# Types in docstrings are prose ("ndarray of shape (V, D), float32"), and backquotes hold any code.
nitpick_ignore_regex = [("py:(class|obj)", ".*")]

html_theme = "furo"
html_title = f"{project} {version}"
html_copy_source = False
highlight_language = "none"
pygments_style = "friendly"
