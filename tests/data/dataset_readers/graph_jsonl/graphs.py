"""Graphs as lines of JSON for tests, and what their instances hold."""

import json
from pathlib import Path
from typing import Any, Dict

from allennlp.data import Instance

#: "Dan eats old olives": two nodes, two edges between them, and one from a node to itself.
DAN: Dict[str, Any] = {
    "id": "dan",
    "tokens": ["Dan", "eats", "old", "olives"],
    "nodes": [{"text": "Dan", "start": 0, "end": 1}, {"text": "Old olives", "start": 2, "end": 4, "kind": "food"}],
    "edges": [
        {"source": 1, "target": 0, "type": "eaten_by", "matters": True},
        {"source": 1, "target": 0, "type": "named_with"},
        {"source": 0, "target": 0, "type": "same"},
    ],
    "label": "salty",
    "author": "nobody",
}
FINN: Dict[str, Any] = {"nodes": [{"text": "Finn"}], "edges": []}
NOBODY: Dict[str, Any] = {"id": 3, "nodes": [], "edges": [], "label": "sweet"}
#: Its nodes have labels, but for one; one has no text.
EVE: Dict[str, Any] = {
    "text": "Eve eats jam.",
    "nodes": [
        {"text": "Eve", "label": "person"},
        {"text": "jam", "label": "food", "start": 2, "end": 3},
        {"text": "", "label": None},
    ],
    "edges": [{"source": 1, "target": 0, "type": "eaten_by"}, {"source": 2, "target": 1, "type": "same"}],
}


def written(path: Path, *graphs: Any) -> str:
    path.write_text("".join(json.dumps(graph) + "\n" for graph in graphs), encoding="utf-8")
    return str(path)


def metadata_of(instance: Instance) -> Dict[str, Any]:
    return instance["metadata"].metadata
