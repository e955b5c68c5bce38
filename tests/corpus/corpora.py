"""Small corpora, and what `allennlp explain` makes of their files."""

import contextlib
import json
from pathlib import Path
from typing import Any, Dict, List

from allennlp_graphmask.explanation.explanation import Explanation
from tests.commands.explaining import explain, explanations_in
from tests.predictors.inputs import CONLL, TOKENS, assert_equal_up_to_rounding


def write_corpus(folder: Path, times: int = 1) -> List[str]:
    """Three files in two formats, with inputs that fail, and inputs without instances."""
    lines = [{"conll": CONLL}, TOKENS, "bad", {"conll": ""}, TOKENS, {}, TOKENS, {"conll": CONLL}]
    contents = {
        "a.jsonl": "".join(f"{line if line == 'bad' else json.dumps(line)}\n" for line in lines * times),
        "b.conll09": CONLL * 2 * times,
        "c.jsonl": json.dumps(TOKENS) + "\n",
    }
    for name, content in contents.items():
        (folder / name).write_text(content)
    return [str(folder / name) for name in contents]


def explain_files(archive_file: str, names: List[str], folder: Path, *options: object) -> List[Explanation]:
    """By `allennlp explain`, one after the other."""
    found: List[Explanation] = []
    for name in names:
        out = folder / f"{Path(name).name}.explained.jsonl"
        with contextlib.suppress(SystemExit):  # as some inputs fail
            explain(archive_file, name, "-o", out, *options)
        found += explanations_in(out)
    return found


def assert_equal_explanations(found: List[Explanation], expected: List[Explanation]) -> None:
    """Decisions are equal; numbers up to rounding."""
    assert [one.input for one in found] == [one.input for one in expected]
    for one, other in zip(found, expected):
        assert (one.edges.kept == other.edges.kept).all()
        assert_equal_up_to_rounding(_plain(one), _plain(other))


def _plain(explanation: Explanation) -> Dict[str, Any]:
    return json.loads(explanation.to_json_line())
