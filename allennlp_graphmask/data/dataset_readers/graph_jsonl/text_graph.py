from typing import Any, Dict, List, Optional, Sequence, Union

from allennlp.common.checks import ConfigurationError
from pydantic import BaseModel, model_validator

from allennlp_graphmask.validation import Integer, Name, String, validate

#: What can be classified.
CLASSIFIED = ("graph", "nodes")


class TextNode(BaseModel, extra="allow", frozen=True):
    """
    A node. Its text may be empty. `start` and `end` (exclusive), both or neither, are the tokens of the graph's text that it
    stands for. Other keys are kept in `model_extra`.
    """

    text: String
    label: Optional[Name] = None
    start: Optional[Integer] = None
    end: Optional[Integer] = None


class TextEdge(BaseModel, extra="allow", frozen=True):
    """An edge. `source` and `target` are numbers of nodes. Other keys are kept in `model_extra`."""

    source: Integer
    target: Integer
    type: Name


class TextGraph(BaseModel, extra="allow", frozen=True):
    """
    A graph whose nodes are texts, as a line of a `graph_jsonl` file describes it. `docs/graph_jsonl.md` describes the format.
    Other keys are kept in `model_extra`.

    # Raises

    `ConfigurationError` if an edge leaves the graph, a node stands for tokens that do not exist, or the graph and its nodes both
    have labels.
    """

    nodes: List[TextNode]
    edges: List[TextEdge]
    #: That of the whole graph.
    label: Optional[Name] = None
    id: Union[String, Integer, None] = None
    #: The text that the graph was made from, and its tokens.
    text: Optional[String] = None
    tokens: Optional[List[String]] = None

    @classmethod
    def from_json(cls, content: Dict[str, Any]) -> "TextGraph":
        """Check a line. Raise a `ConfigurationError` naming the field, if a key is missing or a value is wrong."""
        return validate(cls, content, ConfigurationError)

    @property
    def classified(self) -> Optional[str]:
        """What has a label: `"graph"`, `"nodes"`, or `None` if nothing has."""
        if self.label is not None:
            return "graph"
        return "nodes" if any(node.label is not None for node in self.nodes) else None

    @model_validator(mode="after")
    def _check_references(self) -> "TextGraph":
        """Check what the types cannot express."""
        for number, node in enumerate(self.nodes):
            if (node.start is None) != (node.end is None):
                raise ConfigurationError(
                    f"nodes[{number}] has the start {node.start} and the end {node.end} (exclusive), expected both or neither."
                )
            if node.start is not None and self.tokens is None and self.text is None:
                raise ConfigurationError(
                    f"nodes[{number}] has 'start' and 'end', but the graph has neither 'tokens' nor 'text' that they could count in."
                )
            if node.label is not None and self.label is not None:
                raise ConfigurationError(
                    f"the graph has the label {self.label!r} and nodes[{number}] the label {node.label!r}, expected labels of one "
                    "kind. Rename the others, and they are kept as metadata."
                )
        if self.tokens is not None:
            check_spans(self.nodes, len(self.tokens))
        num_nodes = len(self.nodes)
        for number, edge in enumerate(self.edges):
            for end, node_number in (("source", edge.source), ("target", edge.target)):
                if not 0 <= node_number < num_nodes:
                    nodes = (
                        f"its {num_nodes} nodes are numbered 0 to {num_nodes - 1}" if num_nodes else "it has no nodes"
                    )
                    raise ConfigurationError(
                        f"edges[{number}].{end} is {node_number}, which leaves the graph: {nodes}."
                    )
        return self


def check_spans(nodes: Sequence[TextNode], num_tokens: int) -> None:
    """Raise a `ConfigurationError` if a node stands for tokens that do not exist."""
    for number, node in enumerate(nodes):
        if node.start is not None and node.end is not None and not 0 <= node.start < node.end <= num_tokens:
            raise ConfigurationError(
                f"nodes[{number}] stands for the tokens {node.start} to {node.end} (exclusive), expected 0 <= start < end <= "
                f"{num_tokens}, the number of tokens."
            )


def get_metadata(elements: Union[Sequence[TextNode], Sequence[TextEdge]]) -> List[Dict[str, Any]]:
    """Return the other keys of each node or edge, in order; nothing if none has any."""
    metadata = [element.model_extra or {} for element in elements]
    return metadata if any(metadata) else []
