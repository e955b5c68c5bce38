"""
The Explanation: one documented, versioned JSON object (`docs/explanation_format.md`) that every command writes and every view
reads.
"""

import copy
import dataclasses
from typing import TYPE_CHECKING, Annotated, Any, Callable, Dict, List, NamedTuple, Optional, Tuple

import numpy
from pydantic import Field, TypeAdapter, ValidationError, WrapValidator
from pydantic.dataclasses import dataclass

from allennlp_graphmask.explanation.columns import EdgeColumns, Edges, to_columns
from allennlp_graphmask.explanation.schema import (
    CONFIG,
    MAX_LAYERS,
    SCHEMA_NAME,
    SCHEMA_VERSION,
    Constraint,
    ExplainedEdge,
    ExplainedFocus,
    ExplainedInput,
    ExplainedNode,
    InterpreterDescription,
    JsonObject,
    MeasuredDivergence,
    Prediction,
    Provenance,
    VerificationResult,
    check_references,
)
from allennlp_graphmask.explanation.serialization import ExplanationFormatError, dump_json, load_json
from allennlp_graphmask.explanation.versions import upgrade
from allennlp_graphmask.validation import Integer, String, first_error


class LayerEdge(NamedTuple):
    """An edge as one layer has it."""

    source: int
    target: int
    type: str
    score: float
    kept: bool


def _accept_columns(value: Any, check: Callable[[Any], Any]) -> Any:
    return value if isinstance(value, Edges) else check(value)


if TYPE_CHECKING:
    import networkx
    import pandas

    AnyEdges = Edges
else:
    # Those of a caller, or of a file of an earlier version, one by one; they become columns.
    AnyEdges = Annotated[Tuple[ExplainedEdge, ...], WrapValidator(_accept_columns)]


@dataclass(frozen=True, config=CONFIG)
class Explanation:
    """
    Which messages of a graph neural network a prediction rests on, for one input, with all that a view shows and all that is
    needed to make it again. `docs/explanation_format.md` describes every field.

    An `Explanation` cannot be changed: its methods return copies. (The nested dictionaries could be: do not.)

    # Raises

    `pydantic.ValidationError` or `ExplanationFormatError`, both a `ValueError`, naming the wrong field.
    """

    kind: String
    tokens: Tuple[String, ...]
    nodes: Tuple[ExplainedNode, ...]
    num_layers: Annotated[int, Field(strict=True, ge=1, le=MAX_LAYERS)]
    num_edges: Integer
    edges: AnyEdges
    focus: Optional[ExplainedFocus]
    verification: Optional[VerificationResult]
    prediction: Prediction
    divergence: Optional[MeasuredDivergence]
    constraint: Optional[Constraint]
    interpreter: InterpreterDescription
    provenance: Provenance
    input: Optional[ExplainedInput]
    metadata: JsonObject

    def __post_init__(self) -> None:
        edges = Edges.from_edges(self.edges, self.num_layers)
        vars(self)["edges"] = edges
        if len(edges) > self.num_edges:
            raise ExplanationFormatError(f"num_edges is {self.num_edges}, but there are {len(edges)} edges.")
        edges.check(len(self.nodes), self.num_layers)
        check_references(self.tokens, self.nodes, self.focus, self.verification, edges.kept)

    @classmethod
    def from_dict(cls, data: Any) -> "Explanation":
        """
        Build an explanation from the result of `to_dict`.

        # Raises

        `ExplanationFormatError` naming the wrong field.
        """
        return cls.from_fields(upgrade(data))

    @classmethod
    def from_fields(cls, fields: Dict[str, Any]) -> "Explanation":
        """Build an explanation from fields of the current version, without `schema` and `schema_version`."""
        try:
            return _ADAPTER.validate_python(fields)
        except ValidationError as error:
            raise ExplanationFormatError(first_error(error)) from error

    def to_dict(self) -> Dict[str, Any]:
        """Return the JSON form as Python data; nothing in it is shared with the explanation."""
        # The order of the keys is part of the format: the same explanation gives the same bytes.
        order = {"schema": SCHEMA_NAME, "schema_version": SCHEMA_VERSION, **dict.fromkeys(vars(self))}
        fields = _ADAPTER.dump_python(self, mode="json", exclude={"edges"})
        return {**order, **fields, "edges": to_columns(self.edges)}

    def to_json(self) -> Dict[str, Any]:
        """Return `to_dict()`: AllenNLP's `sanitize` calls this."""
        return self.to_dict()

    def to_json_line(self) -> str:
        """
        Return one line of JSON, without the line end. Its bytes are those that `allennlp predict` writes for this explanation: ASCII, so
        that no reader can take a character of the text for a line end.
        """
        # The fields as they are, without the copy that `to_dict` makes: writing takes half the time.
        fields = {"schema": SCHEMA_NAME, "schema_version": SCHEMA_VERSION, **vars(self)}
        return dump_json({**fields, "edges": to_columns(self.edges)}, default=vars, check_circular=False)

    @classmethod
    def from_json_line(cls, line: str) -> "Explanation":
        """
        Build an explanation from the result of `to_json_line`.

        # Raises

        `ExplanationFormatError` if the line is not valid JSON, has a key twice or is not an explanation of a version that this
        package reads.
        """
        return cls.from_dict(load_json(line))

    def _repr_html_(self) -> str:
        """Return the HTML view in a frame of its own, which shares nothing with the notebook's page."""
        # Imported here: views know explanations, explanations know no view.
        from allennlp_graphmask.views import render_frame

        return render_frame(self)

    def to_networkx(self) -> "networkx.MultiDiGraph":
        """Return the graph, by networkx; see `allennlp_graphmask.views.to_networkx`."""
        from allennlp_graphmask.views import to_networkx

        return to_networkx(self)

    def to_frame(self) -> "pandas.DataFrame":
        """Return a row for each message, by pandas; see `allennlp_graphmask.views.to_frame`."""
        from allennlp_graphmask.views import to_frame

        return to_frame(self)

    def to_conllu(self) -> str:
        """Return a dependency tree in CoNLL-U, decisions in MISC; see `allennlp_graphmask.views.to_conllu`."""
        from allennlp_graphmask.views import to_conllu

        return to_conllu(self)

    def to_svg(self) -> str:
        """Return the drawing as an SVG document; see `allennlp_graphmask.views.render_svg`."""
        from allennlp_graphmask.views import render_svg

        return render_svg(self)

    def kept_edges(self, layer: Optional[int] = None) -> List[ExplainedEdge]:
        """Return the edges kept in a layer, or in at least one layer if none is given."""
        if layer is not None:
            layer = self._checked_layer(layer)
            return [edge for edge in self.edges if edge.kept[layer]]
        return [edge for edge in self.edges if any(edge.kept)]

    def layer(self, number: int) -> List[LayerEdge]:
        """Return all edges that are stored as one layer, counted from 0 at the bottom, has them."""
        number = self._checked_layer(number)
        return [
            LayerEdge(edge.source, edge.target, edge.type, edge.score[number], edge.kept[number]) for edge in self.edges
        ]

    def kept_share(self, layer: Optional[int] = None) -> float:
        """Return the fraction of messages (of a layer, or of all layers) that are kept; 1.0 if there are none."""
        layers = range(self.num_layers) if layer is None else [self._checked_layer(layer)]
        total = self.num_edges * len(layers)
        return sum(int(self.edges.kept[number].sum()) for number in layers) / total if total else 1.0

    def num_kept(self) -> int:
        """Return the number of messages that are kept, of all layers."""
        return int(self.edges.kept.sum())

    def threshold(self, threshold: float) -> "Explanation":
        """
        Return a copy that keeps an edge in a layer if its score there is greater than the threshold, which the copy's `interpreter`
        holds as `score_threshold`.

        What was measured with the edges kept before (prediction after masking, divergence, verification, whether the constraint is
        met) does not hold for the new ones: these fields are empty in the copy.

        # Raises

        `ValueError` if not all edges are stored (`kept_only`): the scores of the others are not known.
        """
        if len(self.edges) < self.num_edges:
            raise ValueError(
                f"Only {len(self.edges)} of the {self.num_edges} edges are stored (explain --kept-only): without the scores of the "
                "others no threshold can be applied."
            )
        constraint = self.constraint and {**self.constraint, "met": None, "met_in_training": None}
        return dataclasses.replace(
            self,
            edges=self.edges.threshold(threshold),
            verification=None,
            prediction={"original": self.prediction["original"], "masked": None, "changed": None},
            divergence=None,
            constraint=constraint,
            interpreter={**self.interpreter, "score_threshold": threshold},  # type: ignore[typeddict-unknown-key]
        )

    def kept_only(self) -> "Explanation":
        """Return a copy without the edges that are dropped in all layers. `num_edges`, and with it `kept_share`, stays the same."""
        kept = numpy.flatnonzero(self.edges.kept.any(axis=0)).tolist()
        metadata, verification = dict(self.metadata), self.verification
        of_edges = metadata.get("edge_metadata")
        if isinstance(of_edges, list):
            metadata["edge_metadata"] = [of_edges[position] for position in kept if position < len(of_edges)]
        if verification is not None:
            positions = {position: number for number, position in enumerate(kept)}
            added = tuple((positions[position], layer) for position, layer in verification["added"])
            verification = {**verification, "added": added}
        return dataclasses.replace(self, edges=self.edges.select(kept), verification=verification, metadata=metadata)

    def with_input(self, explained_input: ExplainedInput) -> "Explanation":
        """Return a copy with another `input`. The rest is not checked again, which takes long in a large graph."""
        traced = copy.copy(self)
        vars(traced)["input"] = explained_input
        return traced

    def _checked_layer(self, number: int) -> int:
        if not 0 <= number < self.num_layers:
            raise IndexError(f"There is no layer {number}: the {self.num_layers} layers are numbered from 0.")
        return number


_ADAPTER = TypeAdapter(Explanation)


def explanation_schema() -> Dict[str, Any]:
    """Return the JSON Schema of an explanation, for tools in other languages."""
    schema = _ADAPTER.json_schema()
    constants = {"schema": {"const": SCHEMA_NAME}, "schema_version": {"const": SCHEMA_VERSION}}
    # Files hold edges as columns.
    del schema["$defs"]["ExplainedEdge"]
    return {
        **schema,
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "properties": {**constants, **schema["properties"], "edges": TypeAdapter(EdgeColumns).json_schema()},
        "required": [*constants, *schema["required"]],
    }
