"""Pages of single explanations, to which a report links."""

import itertools
from typing import Dict, List, Optional, Sequence, Tuple

from allennlp_graphmask.report.counting import Counts, Example
from allennlp_graphmask.report.sources import read_run
from allennlp_graphmask.report.tables import Table, find_example
from allennlp_graphmask.views import get_view, render_html

FOLDER = "examples"


def choose_examples(counts: Counts, tables: Sequence[Table], number: int) -> List[Example]:
    """
    Return explanations with the most frequent shapes of paths and kept paths of each series, by turns; without any (graphs that no pair
    of ends is known of) the first ones of the first file.
    """
    columns = [
        [find_example(counts, table.form.example, row.series, row.key) for row in rows]
        for table in tables
        if table.form.example is not None
        for _, rows in itertools.groupby(table.rows, key=lambda row: row.series)
    ]
    turns = itertools.chain.from_iterable(itertools.zip_longest(*columns))
    chosen = list(dict.fromkeys(example for example in turns if example is not None))
    return chosen[:number] or [Example(0, position) for position in range(1, number + 1)]


def render_examples(
    counts: Counts, examples: Sequence[Example]
) -> Tuple[Dict[str, str], Dict[Optional[Example], Tuple[str, str]]]:
    """Return pages by their file names, and for each explanation that there is its file name and title. Reads the files again."""
    pages: Dict[str, str] = {}
    found: Dict[Optional[Example], Tuple[str, str]] = {}
    for number, run in enumerate(counts.runs):
        wanted = {example.number for example in examples if example.run == number}
        for position, explanation in enumerate(itertools.islice(read_run(run), max(wanted, default=0)), start=1):
            if position in wanted:
                name = f"{FOLDER}/{len(pages) + 1:04}.html"
                pages[name] = render_html(explanation)
                found[Example(number, position)] = (name, f"{run.source}: {get_view(explanation).get_title()}")
    return pages, found
