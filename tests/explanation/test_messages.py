"""A table with a row for each message."""

import csv
from typing import Any, Dict, List

import pytest

from allennlp_graphmask.explanation.messages import COLUMNS, write_messages
from tests.explanation.explanations import entity_explanation, role_explanation

EXPLANATIONS = [
    role_explanation(),
    entity_explanation().with_input({"file": "x", "number": 7, "place": "line 7"}),
    role_explanation(note='",\n').kept_only(),
]


def expected_rows() -> List[Dict[str, Any]]:
    """Edge by edge."""
    rows = []
    for number, explanation in enumerate(EXPLANATIONS):
        for layer in range(explanation.num_layers):
            for edge in explanation.edges:
                ends = {
                    "source": edge.source,
                    "source_text": explanation.nodes[edge.source].text,
                    "target": edge.target,
                    "target_text": explanation.nodes[edge.target].text,
                }
                of_input = explanation.input["number"] if explanation.input else None
                message = {"type": edge.type, "score": edge.score[layer], "kept": edge.kept[layer]}
                rows.append({"explanation": number, "input": of_input, "layer": layer, **ends, **message})
    return rows


def test_csv(tmp_path) -> None:
    write_messages(tmp_path / "messages.csv", EXPLANATIONS)
    with open(tmp_path / "messages.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == list(COLUMNS)
    expected = [{name: "" if value is None else str(value) for name, value in row.items()} for row in expected_rows()]
    assert rows == expected


@pytest.mark.parametrize("explanations", [EXPLANATIONS, []])
def test_parquet(tmp_path, explanations) -> None:
    pytest.importorskip("pyarrow", reason="Parquet files need the extra `table`")
    import pyarrow.parquet

    write_messages(tmp_path / "messages.parquet", explanations)
    read = pyarrow.parquet.read_table(tmp_path / "messages.parquet")
    assert read.column_names == list(COLUMNS)
    assert read.to_pylist() == (expected_rows() if explanations else [])
