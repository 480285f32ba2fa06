"""Tables, the hardware they were measured on, and the page that keeps them; imports no torch."""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Iterable, Sequence
from datetime import date
from importlib import metadata
from pathlib import Path

# What the scripts write, and the short page for users, on which figures of a GPU stand.
PAGE = Path(__file__).parent / "laboratory" / "measured.md"
PAGE_FOR_USERS = Path(__file__).parents[1] / "docs" / "performance.md"
_PACKAGES = ("sklearn-rnn", "torch", "scikit-learn", "numpy", "skorch")
_TITLE = """# What was measured

Each section below is written by the script in `benchmarks/` that it names, with the date, the
hardware and the versions of that run.
"""


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Lay out a Markdown table: the first column to the left, the others to the right."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in [list(header), *cells]) for i in range(len(header))]

    def line(row: Sequence[str]) -> str:
        first = row[0].ljust(widths[0])
        others = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        return "| " + " | ".join([first, *others]) + " |"

    rule = [":" + "-" * (widths[0] - 1), *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join([line(header), line(rule), *(line(row) for row in cells)])


def environment(n_threads: int | None = 1) -> str:
    """Say when, on what hardware and with which versions, without naming the machine."""
    versions = []
    for package in _PACKAGES:
        try:
            versions.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            continue
    cores = os.cpu_count()
    threads = "" if n_threads is None else f", {n_threads} thread{'s' * (n_threads != 1)}"
    return (
        f"{date.today().isoformat()}, {cpu_model()}, {cores} core{'s' * (cores != 1)}{threads}; "
        f"Python {platform.python_version()}, {', '.join(versions)}."
    )


def cpu_model() -> str:
    """Return the processor's name."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def add_page_options(parser: argparse.ArgumentParser, page: Path = PAGE) -> None:
    """Add the options that say where the table goes."""
    parser.add_argument(
        "--page", type=Path, default=page, help=f"the page to update (default: {page.name})"
    )
    parser.add_argument("--no-page", action="store_true", help="print only, leave the page alone")


def publish(name: str, title: str, body: str, options: argparse.Namespace) -> None:
    """Print a section, and put it into the page unless asked not to."""
    print(f"\n{title}\n\n{body}")
    if not options.no_page:
        update_page(options.page, name, f"## {title}\n\n{body.strip()}")


def update_page(page: Path, name: str, section: str) -> None:
    """Replace the section between the markers of `name`, or add it at the end of the page."""
    begin, end = f"<!-- benchmark {name}: written by the script -->", f"<!-- end {name} -->"
    text = page.read_text(encoding="utf-8") if page.exists() else _TITLE
    block = f"{begin}\n{section}\n{end}"
    before, found, rest = text.partition(begin)
    if found:
        _, closed, after = rest.partition(end)
        if not closed:
            raise ValueError(f"{page.name} has the marker {begin!r} but not {end!r}.")
        text = before + block + after
    else:
        text = f"{text.rstrip()}\n\n{block}\n"
    page.parent.mkdir(exist_ok=True)
    page.write_text(text, encoding="utf-8")
