from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Tuple

from allennlp.common.checks import ConfigurationError

#: What can be classified.
CLASSIFIED = ("graph", "nodes")

#: The keys of a line, of a node and of an edge that mean something. Others are kept as metadata.
GRAPH_KEYS = frozenset({"id", "text", "tokens", "nodes", "edges", "label"})
NODE_KEYS = frozenset({"text", "label", "start", "end"})
EDGE_KEYS = frozenset({"source", "target", "type"})


@dataclass(frozen=True)
class TextNode:
    """
    # Parameters

    text : `str`
        May be empty.
    label : `str`, optional (default = `None`)
    start, end : `int`, optional (default = `None`)
        The tokens of the graph's text that the node stands for; `end` is exclusive. Both or neither.
    """

    text: str
    label: Optional[str] = None
    start: Optional[int] = None
    end: Optional[int] = None


@dataclass(frozen=True)
class TextGraph:
    """
    A graph whose nodes are texts, as a line of a `graph_jsonl` file describes it. `docs/graph_jsonl.md` describes the format.

    # Parameters

    nodes : `Tuple[TextNode, ...]`
    edges : `Tuple[Tuple[int, int], ...]`
        (source, target) pairs of node numbers.
    edge_types : `Tuple[str, ...]`
        One for each edge.
    label : `str`, optional (default = `None`)
        That of the whole graph.
    graph_id : `str` or `int`, optional (default = `None`)
    text : `str`, optional (default = `None`)
        The text that the graph was made from.
    tokens : `Tuple[str, ...]`, optional (default = `None`)
        Its tokens.
    node_metadata, edge_metadata : `Tuple[Dict[str, Any], ...]`, optional (default = `()`)
        What else was said of each node and each edge; empty if nothing was said of any.
    graph_metadata : `Dict[str, Any]`, optional (default = `None`)
        What else was said of the graph.
    """

    nodes: Tuple[TextNode, ...]
    edges: Tuple[Tuple[int, int], ...] = ()
    edge_types: Tuple[str, ...] = ()
    label: Optional[str] = None
    graph_id: Any = None
    text: Optional[str] = None
    tokens: Optional[Tuple[str, ...]] = None
    node_metadata: Tuple[Dict[str, Any], ...] = ()
    edge_metadata: Tuple[Dict[str, Any], ...] = ()
    graph_metadata: Optional[Dict[str, Any]] = None

    @property
    def classified(self) -> Optional[str]:
        """What has a label: `"graph"`, `"nodes"`, or `None` if nothing has."""
        if self.label is not None:
            return "graph"
        return "nodes" if any(node.label is not None for node in self.nodes) else None

    @classmethod
    def from_json(cls, content: Dict[str, Any]) -> "TextGraph":
        """
        # Raises

        `ConfigurationError` if a key is missing, a value is of the wrong type, an edge leaves the graph, or the graph and its
        nodes both have labels.
        """
        tokens = _optional(content, "tokens", list, "'tokens'")
        for number, token in enumerate(tokens or ()):
            _check_type(token, str, f"tokens[{number}]")
        text = _optional(content, "text", str, "'text'")
        identifier = content.get("id")
        if identifier is not None and (
            isinstance(identifier, bool) or not isinstance(identifier, (str, int))
        ):
            raise ConfigurationError(f"'id' is {identifier!r:.80}, expected a string or an integer.")
        node_objects = _objects(content, "nodes")
        nodes = tuple(
            _node(node, f"nodes[{number}]", has_text=tokens is not None or text is not None)
            for number, node in enumerate(node_objects)
        )
        if tokens is not None:
            check_spans(nodes, len(tokens))
        edge_objects = _objects(content, "edges")
        edges, edge_types = [], []
        for number, edge in enumerate(edge_objects):
            where = f"edges[{number}]"
            edges.append((_end(edge, "source", where, len(nodes)), _end(edge, "target", where, len(nodes))))
            edge_types.append(_name(_required(edge, "type", str, where), f"{where}.type"))
        graph = cls(
            nodes=nodes,
            edges=tuple(edges),
            edge_types=tuple(edge_types),
            label=_label(content, "'label'"),
            graph_id=identifier,
            text=text,
            tokens=None if tokens is None else tuple(tokens),
            node_metadata=_others(node_objects, NODE_KEYS),
            edge_metadata=_others(edge_objects, EDGE_KEYS),
            graph_metadata=_without(content, GRAPH_KEYS) or None,
        )
        labelled = next((number for number, node in enumerate(nodes) if node.label is not None), None)
        if graph.label is not None and labelled is not None:
            raise ConfigurationError(
                f"the graph has the label {graph.label!r} and nodes[{labelled}] the label {nodes[labelled].label!r}, expected "
                "labels of one kind. Rename the others, and they are kept as metadata."
            )
        return graph


def check_spans(nodes: Tuple[TextNode, ...], num_tokens: int) -> None:
    """
    # Raises

    `ConfigurationError` if a node stands for tokens that there are not.
    """
    for number, node in enumerate(nodes):
        if node.start is not None and node.end is not None and not 0 <= node.start < node.end <= num_tokens:
            raise ConfigurationError(
                f"nodes[{number}] stands for the tokens {node.start} to {node.end} (exclusive), expected 0 <= start < end <= "
                f"{num_tokens}, the number of tokens."
            )


_TYPE_NAMES: Dict[type, str] = {str: "a string", int: "an integer", list: "a list", dict: "an object"}


def _check_type(value: Any, kind: type, where: str) -> Any:
    # bool is an int in Python.
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise ConfigurationError(f"{where} is {value!r:.80}, expected {_TYPE_NAMES[kind]}.")
    return value


def _required(content: Dict[str, Any], key: str, kind: type, where: str) -> Any:
    if key not in content:
        keys = ", ".join(map(repr, content)) or "none"
        raise ConfigurationError(f"{where} lacks the key '{key}'; the keys are {keys}.")
    return _check_type(content[key], kind, f"{where}.{key}")


def _optional(content: Dict[str, Any], key: str, kind: type, where: str) -> Any:
    value = content.get(key)
    return None if value is None else _check_type(value, kind, where)


def _objects(content: Dict[str, Any], key: str) -> List[Dict[str, Any]]:
    objects = _required(content, key, list, "the graph")
    for number, value in enumerate(objects):
        _check_type(value, dict, f"{key}[{number}]")
    return objects


def _name(value: str, where: str) -> str:
    if not value:
        raise ConfigurationError(f"{where} is empty, expected a name.")
    return value


def _label(content: Dict[str, Any], where: str) -> Optional[str]:
    value = content.get("label")
    if value is None:
        return None
    if not isinstance(value, str):
        raise ConfigurationError(
            f"{where} is {value!r:.80}, expected a string (or null where it is not known). Write numbers in quotes."
        )
    return _name(value, where)


def _node(content: Dict[str, Any], where: str, *, has_text: bool) -> TextNode:
    start = _optional(content, "start", int, f"{where}.start")
    end = _optional(content, "end", int, f"{where}.end")
    if (start is None) != (end is None):
        raise ConfigurationError(
            f"{where} has the start {start} and the end {end} (exclusive), expected both or neither."
        )
    if start is not None and not has_text:
        raise ConfigurationError(
            f"{where} has 'start' and 'end', but the graph has neither 'tokens' nor 'text' that they could count in."
        )
    text = _required(content, "text", str, where)
    return TextNode(text, _label(content, f"{where}.label"), start, end)


def _end(edge: Dict[str, Any], key: str, where: str, num_nodes: int) -> int:
    node = _required(edge, key, int, where)
    if not 0 <= node < num_nodes:
        numbered = (
            f"its {num_nodes} nodes are numbered 0 to {num_nodes - 1}" if num_nodes else "it has no nodes"
        )
        raise ConfigurationError(f"{where}.{key} is {node}, which leaves the graph: {numbered}.")
    return node


def _without(content: Dict[str, Any], keys: frozenset) -> Dict[str, Any]:
    return {key: value for key, value in content.items() if key not in keys}


def _others(objects: List[Dict[str, Any]], keys: frozenset) -> Tuple[Dict[str, Any], ...]:
    """What each object has under other keys, in order; empty if none has any."""
    others = tuple(_without(content, keys) for content in objects)
    return others if any(others) else ()
