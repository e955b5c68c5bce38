"""The versions of the JSON form of an explanation."""

from typing import Any, Dict

from allennlp_graphmask.explanation.columns import from_columns
from allennlp_graphmask.explanation.schema import SCHEMA_NAME, SCHEMA_VERSION, default_kind
from allennlp_graphmask.explanation.serialization import ExplanationFormatError


def upgrade(data: Any) -> Dict[str, Any]:
    """
    Return the fields of an explanation in the current version, without `schema` and `schema_version`.

    # Raises

    `ExplanationFormatError` if it is not an explanation, or of a version that this package cannot read.
    """
    if not isinstance(data, dict):
        raise ExplanationFormatError(f"An explanation is a JSON object, got {data!r:.60}.")
    fields = dict(data)
    schema, version = fields.pop("schema", None), fields.pop("schema_version", None)
    if schema != SCHEMA_NAME:
        raise ExplanationFormatError(
            f"schema is {schema!r}, expected {SCHEMA_NAME!r}: allennlp_graphmask did not write this."
        )
    if type(version) is not int or not 1 <= version <= SCHEMA_VERSION:
        raise ExplanationFormatError(
            f"schema_version is {version!r}, but this allennlp_graphmask reads versions 1 to {SCHEMA_VERSION}. If a newer one wrote "
            "the file, upgrade this one."
        )
    if version == 1:
        fields["kind"] = _kind_of_version_1(fields)
    if version <= 2:
        # Whole predictions were explained, nothing was verified, and inputs were not traced.
        fields["focus"] = fields["verification"] = fields["input"] = None
    edges = fields.get("edges")
    if version <= 3:
        # All edges were stored, each as an object.
        fields["num_edges"] = len(edges) if isinstance(edges, list) else 0
    elif "edges" in fields and "num_layers" in fields:
        fields["edges"] = from_columns(edges, fields["num_layers"])
    return fields


def _kind_of_version_1(fields: Dict[str, Any]) -> str:
    """Version 1 left the choice of a view to a look at the metadata."""
    metadata, nodes, tokens = (fields.get(name) for name in ("metadata", "nodes", "tokens"))
    if isinstance(metadata, dict) and {"query", "candidates", "supports"} <= metadata.keys():
        return "question"
    if isinstance(nodes, list) and isinstance(tokens, list) and all(isinstance(node, dict) for node in nodes):
        return default_kind([(node.get("start"), node.get("end")) for node in nodes], len(tokens))
    return "graph"
