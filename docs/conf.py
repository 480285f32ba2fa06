"""Configuration of the documentation. Builds without network: no inventory is fetched."""

import os
import sys
import warnings
from pathlib import Path

# Before NumPy and torch are imported: the examples are small, one thread is fastest.
os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent))

import sklearn_rnn

project = "sklearn-rnn"
author = "sklearn-rnn developers"
copyright = author
release = version = sklearn_rnn.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "myst_parser",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "native_math",
]
source_suffix = {".rst": "restructuredtext", ".md": "markdown"}
exclude_patterns = ["_build", "auto_examples/**/*.ipynb", "auto_examples/**/*.py"]
templates_path = ["_templates"]
# `like this` in docstrings links to what has a page, and is plain code otherwise.
default_role = "py:obj"
pygments_style = "friendly"
trim_doctest_flags = True
smartquotes = False
toc_object_entries_show_parents = "hide"
html_math_renderer = "native"

autosummary_generate = True
autodoc_typehints = "none"
autodoc_member_order = "groupwise"
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

myst_enable_extensions = ["dollarmath", "deflist"]
myst_heading_anchors = 3

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"plot_",
    "ignore_pattern": r"demo\.py",
    "within_subsection_order": "gallery_order.GalleryOrder",
    "doc_module": ("sklearn_rnn",),
    "backreferences_dir": "generated/backreferences",
    "reference_url": {"sklearn_rnn": None},
    "image_scrapers": ("matplotlib",),
    "capture_repr": ("_repr_html_",),
    "download_all_examples": False,
    "show_memory": False,
    "min_reported_time": 0,
    "remove_config_comments": True,
    "plot_gallery": "True",
}
# A figure that is shown where there is no screen is no news.
warnings.filterwarnings("ignore", message=".*non-interactive.*", category=UserWarning)

html_theme = "pydata_sphinx_theme"
html_title = "sklearn-rnn"
html_static_path = ["_static"]
html_css_files = ["custom.css"]
html_logo = "_static/logo.svg"
html_favicon = "_static/logo.svg"
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "logo": {"text": "sklearn-rnn"},
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "header_links_before_dropdown": 6,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": ["theme-version"],
}
html_sidebars = {"index": [], "api": [], "design": [], "performance": [], "changes": []}
html_context = {"default_mode": "auto"}
