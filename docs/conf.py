"""How `make docs` builds the site: all Markdown, and the API's reference."""

import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parent.parent

project = "featsr_tf"
author = "The featsr_tf authors"
copyright = author
release = re.search(
    r'__version__ = "(.*)"', (ROOT / "featsr_tf/__init__.py").read_text()
)[1]

extensions = [
    "myst_parser",
    "sphinx.ext.napoleon",
    "autoapi.extension",
]
# The folder of sources is the repository's: README and research/ are pages.
root_doc = "docs/index"
include_patterns = [
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "docs/**",
    "research/**.md",
    "examples/**.md",
    "saved_models/**/MODEL_CARD.md",
]
exclude_patterns = ["docs/conf.py", "docs/site/**"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = f"featsr_tf {release}"

# Read as text: nothing is imported, TensorFlow least of all.
autoapi_dirs = [str(ROOT / name) for name in ("featsr_tf", "tfrecords_tools")]
autoapi_root = "docs/api"
autoapi_options = ["members", "show-module-summary"]
autoapi_python_class_content = "both"
autoapi_keep_files = False
autoapi_add_toctree_entry = False
napoleon_numpy_docstring = False
# Docstrings put code into single backticks, as Markdown does.
default_role = "code"
suppress_warnings = ["autoapi.python_import_resolution"]
