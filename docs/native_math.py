"""A Sphinx extension: formulas as MathML, which browsers draw without a script from elsewhere."""

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml


def inline(translator, node):
    """Write a formula in the line."""
    translator.body.append(tex2mathml(node.astext(), as_block=False))
    raise nodes.SkipNode


def display(translator, node):
    """Write a formula of its own."""
    translator.body.append(
        f'<div class="math-display">{tex2mathml(node.astext(), as_block=True)}</div>'
    )
    raise nodes.SkipNode


def setup(app):
    """Register the renderer under the name `native`."""
    app.add_html_math_renderer("native", (inline, None), (display, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
