"""
The Explanation: one documented, versioned JSON object (`docs/explanation_format.md`,
`explanation.schema.json`) that every command writes and every view reads.
"""

import dataclasses
import json
import logging
from importlib import resources
from typing import Any, Dict, List, NamedTuple, Optional, Set, Tuple

from allennlp.common.checks import ConfigurationError
from allennlp.data import Instance

from allennlp_graphmask.interpret.edge_attribution import EdgeAttribution
from allennlp_graphmask.interpret.explanation_validation import (
    SCHEMA_NAME,
    SCHEMA_VERSION,
    load_json,
    validate_explanation,
)
from allennlp_graphmask.interpret.plain_json import copy_json, round_number, to_plain_json

logger = logging.getLogger(__name__)


class ExplainedNode(NamedTuple):
    """A node: its number, text and the tokens it stands for (`end` is exclusive; both `None` if none)."""

    id: int
    text: str
    start: Optional[int]
    end: Optional[int]


class ExplainedEdge(NamedTuple):
    """An edge with one score and one decision for each layer, from the bottom."""

    source: int
    target: int
    type: str
    score: Tuple[float, ...]
    kept: Tuple[bool, ...]


class LayerEdge(NamedTuple):
    """An edge as one layer sees it."""

    source: int
    target: int
    type: str
    score: float
    kept: bool


@dataclasses.dataclass(frozen=True)
class Explanation:
    """
    Which messages of a graph neural network a prediction rests on, for one input, with all that a view has to
    show and all that is needed to make it again. Every field is described in `docs/explanation_format.md`.

    An `Explanation` cannot be changed: its methods return copies. (The nested dictionaries could be: do not.)

    # Raises

    `ExplanationFormatError`, a `ValueError`, naming the field that is wrong.
    """

    tokens: Tuple[str, ...]
    nodes: Tuple[ExplainedNode, ...]
    num_layers: int
    edges: Tuple[ExplainedEdge, ...]
    prediction: Dict[str, Any]
    divergence: Optional[Dict[str, Any]]
    constraint: Optional[Dict[str, Any]]
    interpreter: Dict[str, Any]
    provenance: Dict[str, Any]
    metadata: Dict[str, Any]

    def __post_init__(self) -> None:
        validate_explanation(self._as_dict())
        for name in ("prediction", "divergence", "constraint", "interpreter", "provenance", "metadata"):
            # What the caller does to the dictionaries later must not change a checked explanation.
            object.__setattr__(self, name, copy_json(getattr(self, name)))

    @classmethod
    def from_dict(cls, data: Any) -> "Explanation":
        """The inverse of `to_dict`."""
        validate_explanation(data)
        return cls(
            tokens=tuple(data["tokens"]),
            nodes=tuple(
                ExplainedNode(node["id"], node["text"], node["start"], node["end"]) for node in data["nodes"]
            ),
            num_layers=data["num_layers"],
            edges=tuple(
                ExplainedEdge(
                    edge["source"], edge["target"], edge["type"], tuple(edge["score"]), tuple(edge["kept"])
                )
                for edge in data["edges"]
            ),
            prediction=data["prediction"],
            divergence=data["divergence"],
            constraint=data["constraint"],
            interpreter=data["interpreter"],
            provenance=data["provenance"],
            metadata=data["metadata"],
        )

    def _as_dict(self) -> Dict[str, Any]:
        # The order of the keys is part of the format: the same explanation gives the same bytes.
        return {
            "schema": SCHEMA_NAME,
            "schema_version": SCHEMA_VERSION,
            "tokens": list(self.tokens),
            "nodes": [node._asdict() for node in self.nodes],
            "num_layers": self.num_layers,
            "edges": [
                {
                    "source": edge.source,
                    "target": edge.target,
                    "type": edge.type,
                    "score": list(edge.score),
                    "kept": list(edge.kept),
                }
                for edge in self.edges
            ],
            "prediction": self.prediction,
            "divergence": self.divergence,
            "constraint": self.constraint,
            "interpreter": self.interpreter,
            "provenance": self.provenance,
            "metadata": self.metadata,
        }

    def to_dict(self) -> Dict[str, Any]:
        """The JSON form as Python data; nothing in it is shared with the explanation."""
        return copy_json(self._as_dict())

    def to_json(self) -> Dict[str, Any]:
        """`to_dict`; AllenNLP's `sanitize` calls this."""
        return self.to_dict()

    def to_json_line(self) -> str:
        """
        One line of JSON, without the line end. Its bytes are those that `allennlp predict` writes for this
        explanation: ASCII, so that no reader can take a character of the text for a line end.
        """
        return json.dumps(self._as_dict(), allow_nan=False)

    def _repr_html_(self) -> str:
        """What a notebook shows: the HTML view in a frame of its own, which shares nothing with the notebook's page."""
        # Imported here: views know explanations, explanations know no view.
        from allennlp_graphmask.render.html import render_html
        from allennlp_graphmask.render.page import framed

        return framed(render_html(self))

    @classmethod
    def from_json_line(cls, line: str) -> "Explanation":
        """
        The inverse of `to_json_line`.

        # Raises

        `ExplanationFormatError` if the line is no JSON, has a key twice or is no explanation that this
        version reads.
        """
        return cls.from_dict(load_json(line))

    def kept_edges(self, layer: Optional[int] = None) -> List[ExplainedEdge]:
        """The edges kept in a layer, or in at least one layer if none is given."""
        if layer is not None:
            layer = self._checked_layer(layer)
            return [edge for edge in self.edges if edge.kept[layer]]
        return [edge for edge in self.edges if any(edge.kept)]

    def layer(self, number: int) -> List[LayerEdge]:
        """All edges as one layer, counted from 0 at the bottom, sees them."""
        number = self._checked_layer(number)
        return [
            LayerEdge(edge.source, edge.target, edge.type, edge.score[number], edge.kept[number])
            for edge in self.edges
        ]

    def kept_share(self, layer: Optional[int] = None) -> float:
        """The share of messages (of a layer, or of all layers) that are kept; 1.0 if there are none."""
        layers = range(self.num_layers) if layer is None else [self._checked_layer(layer)]
        total = len(self.edges) * len(layers)
        return sum(edge.kept[number] for edge in self.edges for number in layers) / total if total else 1.0

    def threshold(self, threshold: float) -> "Explanation":
        """
        A copy in which an edge is kept in a layer if its score there is greater than the threshold, which the
        copy's `interpreter` holds as `score_threshold`.

        What was measured with the edges kept before (prediction after masking, divergence, whether the
        constraint is met) says nothing about the new ones: these fields are empty in the copy.
        """
        edges = tuple(
            edge._replace(kept=tuple(score > threshold for score in edge.score)) for edge in self.edges
        )
        constraint = (
            None if self.constraint is None else {**self.constraint, "met": None, "met_in_training": None}
        )
        return dataclasses.replace(
            self,
            edges=edges,
            prediction={"original": self.prediction["original"], "masked": None, "changed": None},
            divergence=None,
            constraint=constraint,
            interpreter={**self.interpreter, "score_threshold": threshold},
        )

    def _checked_layer(self, number: int) -> int:
        if not 0 <= number < self.num_layers:
            raise IndexError(f"There is no layer {number}: the {self.num_layers} layers are numbered from 0.")
        return number


def explanation_schema() -> Dict[str, Any]:
    """The JSON Schema of an explanation, for tools in other languages."""
    return json.loads(
        resources.files(__package__).joinpath("explanation.schema.json").read_text(encoding="utf-8")
    )


def build_explanation(
    instance: Instance, output: Dict[str, Any], *, interpreter: Dict[str, Any], provenance: Dict[str, Any]
) -> Explanation:
    """
    Builds the Explanation of one instance. It knows no task: what a prediction looks like is up to the
    explained model.

    # Parameters

    instance : `Instance`
        Its `metadata` field, if it has one, gives the `tokens` and may give `nodes`, a list of `{text, start,
        end}` with the tokens that each node stands for. Without `nodes` there must be one node for each
        token; without either the nodes are called by their numbers. All other metadata that have a JSON form
        become part of the explanation, and so does what else is told of the nodes, as its metadata `nodes`.
    output : `Dict[str, Any]`
        The interpreter's output for this instance: `attribution` (an `EdgeAttribution` of this instance
        alone) and, where the interpreter measures them, `original_prediction`, `masked_prediction`, `changed`
        and `divergence`.
    interpreter : `Dict[str, Any]`
        What the interpreter says of itself: `name` and, where there are any, `divergence` (its name),
        `allowance`, `constraint` (`{kind, bound}`), `training_summary` (with `constraint_met`), and whatever
        else.
    provenance : `Dict[str, Any]`
        See `allennlp_graphmask.interpret.provenance`.

    # Raises

    `ConfigurationError` if the graph has neither one node for each token nor described nodes, or the output
    has no `EdgeAttribution`; `ExplanationFormatError` if a part has the wrong form (a score that is no
    number, for example).
    """
    attribution = output.get("attribution")
    if not isinstance(attribution, EdgeAttribution):
        raise ConfigurationError(
            f"The interpreter '{interpreter.get('name')}' gave no EdgeAttribution under 'attribution' in its "
            f"output, but {type(attribution).__name__}. The output of an instance has it after "
            "make_output_human_readable."
        )
    metadata = instance.fields["metadata"].metadata if "metadata" in instance.fields else {}  # type: ignore[attr-defined]
    tokens = tuple(str(token) for token in metadata.get("tokens", ()))
    divergence = output.get("divergence")
    interpreter = to_plain_json(interpreter)
    return Explanation(
        tokens=tokens,
        nodes=_build_nodes(attribution.graph.num_nodes, tokens, metadata),
        num_layers=attribution.num_layers,
        edges=tuple(
            ExplainedEdge(
                edge.source,
                edge.target,
                edge.relation,
                tuple(map(round_number, edge.scores)),
                tuple(edge.kept),
            )
            for edge in attribution.edges()
        ),
        prediction={
            "original": to_plain_json(output.get("original_prediction")),
            "masked": to_plain_json(output.get("masked_prediction")),
            "changed": to_plain_json(output.get("changed")),
        },
        divergence=None
        if divergence is None
        else {"name": interpreter.get("divergence"), "value": to_plain_json(divergence)},
        constraint=_build_constraint(interpreter, output),
        interpreter=interpreter,
        provenance=to_plain_json(provenance),
        metadata=_plain_metadata(metadata),
    )


def _build_nodes(
    num_nodes: int, tokens: Tuple[str, ...], metadata: Dict[str, Any]
) -> Tuple[ExplainedNode, ...]:
    described = metadata.get("nodes")
    if described is not None:
        if len(described) != num_nodes:
            raise ConfigurationError(
                f"The metadata describe {len(described)} nodes ('nodes'), but the graph has {num_nodes}."
            )
        return tuple(
            ExplainedNode(number, str(node["text"]), node.get("start"), node.get("end"))
            for number, node in enumerate(described)
        )
    if not tokens:
        return tuple(ExplainedNode(number, str(number), None, None) for number in range(num_nodes))
    if len(tokens) != num_nodes:
        raise ConfigurationError(
            f"The graph has {num_nodes} nodes for {len(tokens)} tokens. If its nodes are not the tokens, the "
            "reader must describe them in the metadata: 'nodes', a list of {'text', 'start', 'end'}, one for "
            "each node."
        )
    return tuple(ExplainedNode(number, token, number, number + 1) for number, token in enumerate(tokens))


def _build_constraint(interpreter: Dict[str, Any], output: Dict[str, Any]) -> Optional[Dict[str, Any]]:
    constraint = interpreter.get("constraint")
    if constraint is None:
        return None
    kind, bound = constraint["kind"], constraint["bound"]
    met = None
    if kind == "changed" and output.get("changed") is not None:
        # The bound is a share of many predictions; this one counts against it or does not.
        met = not output["changed"]
    elif kind == "divergence" and output.get("divergence") is not None:
        met = bool(output["divergence"] <= bound)
    met_in_training = interpreter.get("training_summary", {}).get("constraint_met")
    return {
        "kind": kind,
        "bound": bound,
        "allowance": interpreter.get("allowance"),
        "met": met,
        "met_in_training": None if met_in_training is None else bool(met_in_training),
    }


# Metadata keys without a JSON form that have been warned about, so that a data set warns once.
_warned_metadata: Set[str] = set()


def _plain_metadata(metadata: Dict[str, Any]) -> Dict[str, Any]:
    plain = {}
    for key, value in metadata.items():
        if key == "tokens":
            continue  # they have a field of their own
        if key == "nodes":
            # And so has what every node is described by.
            value = [
                {name: node[name] for name in node if name not in ExplainedNode._fields} for node in value
            ]
            if not any(value):
                continue
        try:
            plain[str(key)] = to_plain_json(value)
        except TypeError as error:
            if key not in _warned_metadata:
                _warned_metadata.add(key)
                logger.warning("Explanations leave out the metadata '%s': %s", key, error)
    return plain
