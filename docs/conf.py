"""Settings of Sphinx. ``sphinx-build -W -n docs SITE`` builds the site; scripts/check does too."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from w2v_sparseadam import __version__

project = "w2v-sparseadam"
author = copyright = "The w2v-sparseadam developers"
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
# Types in docstrings are prose, such as "ndarray of shape (V, D), float32".
nitpick_ignore_regex = [("py:.*", ".*")]

html_theme = "furo"
html_title = f"{project} {version}"
html_copy_source = False
pygments_style = "friendly"
