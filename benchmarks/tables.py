"""Markdown tables of what benchmarks measured, as in `docs/results/`."""

import platform
import sys
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any, Dict, Iterable, List, Sequence

import numpy
import torch


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Format rows of cells below a header."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def mean_and_range(values: Sequence[float], number: str = "{:.1f}", factor: float = 100.0) -> str:
    """Format the mean of several seeds and, in brackets, the lowest and the highest: by default as percentages."""
    mean, low, high = (number.format(factor * value) for value in (float(numpy.mean(values)), min(values), max(values)))
    return f"{mean} [{low}, {high}]"


def value_over_lines(lines: Sequence[Dict[str, Any]], *keys: str, **style: Any) -> str:
    """Format what the lines of a benchmark, one for each seed, hold under the keys, one in the other, by `mean_and_range`."""
    return mean_and_range([reduce(getitem, keys, line) for line in lines], **style)  # type: ignore[misc]


def machine() -> str:
    """Describe what figures were measured on."""
    processors = "an unknown processor"
    information = Path("/proc/cpuinfo")
    if information.exists():
        names: List[str] = [
            line.split(":", 1)[1].strip() for line in information.read_text().splitlines() if "model name" in line
        ]
        processors = f"{len(names)} cores of {names[0]}" if names else processors
    versions = f"Python {'.'.join(map(str, sys.version_info[:3]))}, PyTorch {torch.__version__}"
    return f"{platform.machine()}, {processors}, {versions}"
