"""Explanations as people and programs read them. Nothing here needs torch or AllenNLP."""

from allennlp_graphmask.explanation.explanation import Explanation, LayerEdge, explanation_schema
from allennlp_graphmask.explanation.files import read_explanations, write_explanations
from allennlp_graphmask.explanation.schema import SCHEMA_NAME, SCHEMA_VERSION, ExplainedEdge, ExplainedNode
from allennlp_graphmask.explanation.serialization import ExplanationFormatError

__all__ = [
    "SCHEMA_NAME",
    "SCHEMA_VERSION",
    "ExplainedEdge",
    "ExplainedNode",
    "Explanation",
    "ExplanationFormatError",
    "LayerEdge",
    "explanation_schema",
    "read_explanations",
    "write_explanations",
]
