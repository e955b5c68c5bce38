"""`python -m allennlp_graphmask.views FILE.jsonl` shows a file of explanations, as text or with `-o DIR` as HTML pages."""

import argparse
import itertools
import sys
from pathlib import Path
from typing import Iterable, Iterator, Optional, Sequence

from allennlp.common.plugins import import_plugins

from allennlp_graphmask.explanation.explanation import Explanation
from allennlp_graphmask.explanation.files import read_explanations
from allennlp_graphmask.explanation.serialization import ExplanationFormatError
from allennlp_graphmask.views.page import INDEX, write_html_pages
from allennlp_graphmask.views.text_printer import TextPrinter
from allennlp_graphmask.views.view import View


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Show the explanations of a file, and return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m allennlp_graphmask.views",
        description="Print the explanations of a JSON-lines file as text, or write them as HTML pages.",
    )
    parser.add_argument("file", help="explanations, as `allennlp predict` writes them")
    parser.add_argument("-o", "--output", metavar="DIR", help="write a page for each and an index to this folder")
    parser.add_argument("--max", type=int, default=None, metavar="N", help="show the first N only")
    parser.add_argument(
        "--max-edges",
        type=int,
        metavar="N",
        help="list the N highest scores of a layer (default: 60, of questions 10); on a page, draw and list N arcs or links (default: 400)",
    )
    parser.add_argument("--width", type=int, default=88, help="columns of the text (default: 88)")
    options = parser.parse_args(arguments)
    for name in ("max", "max_edges", "width"):
        value = getattr(options, name)
        if value is not None and value < 1:
            parser.error(f"--{name.replace('_', '-')} is {value}, expected at least 1")
    try:
        explanations = _with_plugins(itertools.islice(read_explanations(options.file), options.max))
        if options.output is None:
            printer = TextPrinter(options.width, options.max_edges)
            for explanation in explanations:
                if not printer.show(explanation):
                    break
        else:
            max_edges = 400 if options.max_edges is None else options.max_edges
            count = write_html_pages(explanations, options.output, max_edges=max_edges)
            print(f"{count} page{'' if count == 1 else 's'}: {Path(options.output) / INDEX}")
    except (ExplanationFormatError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _with_plugins(explanations: Iterable[Explanation]) -> Iterator[Explanation]:
    """Import AllenNLP's plugins, which takes seconds, when the first explanation of an unknown kind comes."""
    are_imported = False
    for explanation in explanations:
        if explanation.kind not in View.list_available() and not are_imported:
            import_plugins()
            are_imported = True
        yield explanation


if __name__ == "__main__":
    sys.exit(main())
