"""
Explanations as self-contained HTML pages: `python -m allennlp_graphmask.views.html FILE.jsonl -o DIR` writes one page for
each explanation of a file, and an index of them.
"""

import argparse
import itertools
import json
import sys
from pathlib import Path
from typing import Any, Dict, Iterable, List, Optional, Sequence, Tuple, Union

from allennlp_graphmask.explanation.explanation import Explanation
from allennlp_graphmask.explanation.files import read_explanations, write_atomically
from allennlp_graphmask.explanation.serialization import ExplanationFormatError
from allennlp_graphmask.views.message_rows import score_name
from allennlp_graphmask.views.page import render_page
from allennlp_graphmask.views.question.text import answer_text
from allennlp_graphmask.views.sentence.html import sentence_context
from allennlp_graphmask.views.sentence.text import is_role_prediction, prediction_text
from allennlp_graphmask.views.text_layout import result_rows, shortened

INDEX = "index.html"


def render_html(explanation: Explanation, *, title: Optional[str] = None, max_edges: int = 400) -> str:
    """
    An explanation as one HTML document that loads nothing: style, script and drawing are in it, and its content security
    policy forbids everything else. All text of the explanation is escaped.

    A graph over the words of a sentence is shown as the sentence with its arcs, a multi-hop question as its supports with
    links between their mentions, any other graph as a drawing of its nodes. Each comes with a switch of layers and with
    tables that say the same.

    # Parameters

    explanation : `Explanation`
    title : `str`, optional
        By default what is explained: the predicate with its sentence, the question, the prediction.
    max_edges : `int`, optional (default = `400`)
        At most so many arcs or links are drawn and so many kept messages listed, kept ones with high scores first; how many
        there are beyond these is said.

    # Returns

    `str`
    """
    # Imported late: only one of them is needed, and the text views need none.
    from allennlp_graphmask.views.graph.html import graph_context
    from allennlp_graphmask.views.question.html import question_context

    if explanation.kind == "question":
        template, context, name, text_of = (
            "question.html",
            question_context(explanation, max_edges),
            "answer",
            answer_text,
        )
    elif explanation.kind == "sentence":
        template, context, name, text_of = (
            "sentence.html",
            sentence_context(explanation, max_edges),
            "prediction",
            prediction_text,
        )
    else:
        template, context, name, text_of = (
            "graph.html",
            graph_context(explanation, max_edges),
            "prediction",
            prediction_text,
        )
    return render_page(
        template,
        num_layers=explanation.num_layers,
        title=default_title(explanation) if title is None else title,
        facts=[*_question_rows(explanation), *result_rows(explanation, name, text_of)],
        score=score_name(explanation),
        has_masked=explanation.prediction["masked"] is not None,
        provenance=_provenance_rows(explanation),
        **context,
    )


def default_title(explanation: Explanation) -> str:
    """What is explained, in at most a line or two."""
    if explanation.kind == "question":
        return _question_title(explanation.metadata)
    text = shortened(" ".join(explanation.tokens), 160)
    original = explanation.prediction["original"]
    if is_role_prediction(original):
        return f"{original['predicate']['text']}: {text}"
    return text or f"A graph of {len(explanation.nodes)} nodes"


def _question_title(metadata: Dict[str, Any]) -> str:
    """Where a query is a relation and a subject, `capital_of nepal`, as one would write it: `nepal: capital of`."""
    relation, subject = metadata.get("relation"), metadata.get("subject")
    if not (isinstance(relation, str) and isinstance(subject, str) and relation and subject):
        return metadata["query"]
    return f"{subject}: {relation.replace('_', ' ').replace('/', ' / ')}"


def write_html_pages(
    explanations: Iterable[Explanation], folder: Union[str, Path], *, max_edges: int = 400
) -> int:
    """
    Writes a page for each explanation to a folder, which is made if there is none: `0001.html`, `0002.html`, ..., and, when
    all of them are there, `index.html`, which leads to them. Every file appears only when it is whole.

    # Parameters

    explanations : `Iterable[Explanation]`
        Held one at a time.
    folder : `Union[str, Path]`
    max_edges : `int`, optional (default = `400`)
        See `render_html`.

    # Returns

    `int`
        How many pages there are, the index not counted.

    # Raises

    `OSError` if the folder cannot be written; whatever the iterable raises, the pages before it being written.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    entries: List[Tuple[str, str, str, str, str]] = []
    for number, explanation in enumerate(explanations, start=1):
        name = f"{number:04}.html"
        write_atomically(folder / name, render_html(explanation, max_edges=max_edges))
        text_of = answer_text if explanation.kind == "question" else prediction_text
        entries.append(
            (
                name,
                default_title(explanation),
                shortened(text_of(explanation.prediction["original"]), 120),
                {True: "changed", False: "unchanged", None: "not measured"}[
                    explanation.prediction["changed"]
                ],
                f"{100 * explanation.kept_share():.0f} %" if explanation.edges else "no messages",
            )
        )
    write_atomically(folder / INDEX, render_page("index.html", title="Explanations", entries=entries))
    return len(entries)


def _question_rows(explanation: Explanation) -> List[Tuple[str, str]]:
    if explanation.kind != "question":
        return []
    rows = [("query", explanation.metadata["query"])]
    if isinstance(explanation.metadata.get("answer"), str):
        rows.append(("true answer", explanation.metadata["answer"]))
    return rows


def _provenance_rows(explanation: Explanation) -> List[Tuple[str, str]]:
    provenance = explanation.provenance
    rows: List[Tuple[str, Any]] = [("interpreter", explanation.interpreter["name"])]
    rows.extend(provenance["versions"].items())
    rows.append(("configuration, SHA-256", provenance["config_sha256"]))
    rows.append(("weights, SHA-256", provenance["weights_sha256"]))
    rows.extend(provenance["seeds"].items())
    rows.append(("metadata", json.dumps(_short_metadata(explanation), ensure_ascii=False)))
    return [(label, "unknown" if value is None else str(value)) for label, value in rows]


def _short_metadata(explanation: Explanation) -> Any:
    """Those that a reader may look for; the rest is long, or shown as what it is."""
    return {
        key: value
        for key, value in explanation.metadata.items()
        if value is None
        or isinstance(value, (int, float, bool))
        or (isinstance(value, str) and len(value) < 200)
    }


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Writes the pages of a file of explanations; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m allennlp_graphmask.views.html",
        description="Write a page for each explanation of a JSON-lines file, and an index of them.",
    )
    parser.add_argument("file", help="explanations, as `allennlp predict` writes them")
    parser.add_argument("-o", "--output", required=True, metavar="DIR", help="the folder for the pages")
    parser.add_argument("--max", type=int, default=None, metavar="N", help="the first N only")
    parser.add_argument(
        "--max-edges",
        type=int,
        default=400,
        metavar="N",
        help="draw and list at most N arcs or links of an explanation (default: 400)",
    )
    options = parser.parse_args(arguments)
    try:
        explanations = itertools.islice(read_explanations(options.file), options.max)
        count = write_html_pages(explanations, options.output, max_edges=options.max_edges)
    except (ExplanationFormatError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{count} page{'' if count == 1 else 's'}: {Path(options.output) / INDEX}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
