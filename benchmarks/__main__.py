"""Run the benchmarks and print one table: `python -m benchmarks [--only w1 w2 …] [--full]`."""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import sys
from collections.abc import Iterable, Sequence

from benchmarks._harness import Figure

WORKLOADS = ("w1", "w1s", "w2", "w3a", "w3b", "w4", "w5", "w6", "w7", "w8")
TITLES = ("", "what", "figure", "", "limit", "ratio", "the limit is")


def number(value: float | None) -> str:
    """Three digits that matter."""
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def cells(figure: Figure) -> tuple[str, ...]:
    """One row of the table."""
    value, limit, ratio = number(figure.value), number(figure.limit), number(figure.ratio)
    return (figure.workload, figure.what, value, figure.unit, limit, ratio, figure.limit_is)


def table(rows: Sequence[Sequence[str]]) -> str:
    """Columns of equal width, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    right = {2, 4, 5}
    lines = (
        "  ".join(
            cell.rjust(width) if index in right else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
    return "\n".join(lines)


def run(names: Iterable[str], full: bool) -> tuple[list[Figure], list[str]]:
    """All figures, and what went wrong on the way."""
    figures: list[Figure] = []
    problems: list[str] = []
    for name in names:
        print(f"{name} …", file=sys.stderr, flush=True)
        try:
            for figure in importlib.import_module(f"benchmarks.{name}").measure(full):
                figures.append(figure)
                print(f"   {figure.what}: {number(figure.value)} {figure.unit}", file=sys.stderr, flush=True)
        except Exception as error:
            problems.append(f"{name}: {type(error).__name__}: {error}")
    return figures, problems


def main() -> int:
    """The table on standard output, progress on standard error; 1 when a workload could not be measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--only", nargs="+", choices=WORKLOADS, default=WORKLOADS, metavar="W", help=", ".join(WORKLOADS)
    )
    parser.add_argument("--full", action="store_true", help="add the rows that take minutes")
    options = parser.parse_args()
    figures, problems = run(options.only, options.full)
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}\n")
    print(table([TITLES, *map(cells, figures)]))
    for problem in problems:
        print(f"\n{problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
