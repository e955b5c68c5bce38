"""
The JSON form of an explanation as types that pydantic checks and makes a JSON Schema of (`docs/explanation_format.md` explains
every field), and the versions of that form.
"""

from typing import TYPE_CHECKING, Any, Dict, Optional, Sequence, Tuple

from pydantic import ConfigDict, with_config
from pydantic.dataclasses import dataclass
from typing_extensions import TypedDict

from allennlp_graphmask.explanation.serialization import ExplanationFormatError
from allennlp_graphmask.validation import Boolean, Integer, NotNegative, Number, Sha256, String

if TYPE_CHECKING:
    import numpy

    JsonValue = Any  # predictions and metadata have a form of their own
else:
    from pydantic import JsonValue

#: The value of `schema` in every explanation.
SCHEMA_NAME = "allennlp_graphmask.explanation"
#: Raised whenever a reader of the previous version would misread what a writer of the new one writes.
SCHEMA_VERSION = 4

#: The metrics of a model that explanations state with and without all messages (the first one that it has), in the interpreter's
#: `training_summary` as `original_NAME` and `dropped_NAME`.
TASK_METRICS = ("accuracy", "f1")

#: Views show every layer, also of a graph without edges.
MAX_LAYERS = 10_000

JsonObject = Dict[str, JsonValue]

CONFIG = ConfigDict(extra="forbid", allow_inf_nan=False)
_OPEN_CONFIG = ConfigDict(allow_inf_nan=False)


@dataclass(frozen=True, config=CONFIG)
class ExplainedNode:
    """
    A node. `id` is its position among the nodes. It stands for the tokens from `start` to `end` (exclusive); both are `None` for
    a node that stands for no token.
    """

    id: Integer
    text: String
    start: Optional[Integer]
    end: Optional[Integer]


@dataclass(frozen=True, config=CONFIG)
class ExplainedEdge:
    """
    An edge: the message goes from the node `source` to the node `target`, both given as ids, along the relation `type`. There is
    one `score` for each layer, from the bottom (higher means more important), and in `kept` whether the message is part of the
    explanation, for each layer.
    """

    source: Integer
    target: Integer
    type: String
    score: Tuple[Number, ...]
    kept: Tuple[Boolean, ...]


@with_config(CONFIG)
class Prediction(TypedDict):
    """The model's prediction with all messages and with the kept ones only, and whether any label differs."""

    original: JsonValue
    masked: JsonValue
    changed: Optional[Boolean]


@with_config(CONFIG)
class ExplainedFocus(TypedDict):
    """
    The part of the prediction that is explained: the name it was asked for by, its kind, and in words what it is (`None` if there
    is nothing to explain); the ids of the nodes that it is computed from; and whether the interpreter was trained for this kind
    (`None` if it was not trained).
    """

    name: String
    kind: String
    description: Optional[String]
    nodes: Tuple[Integer, ...]
    trained: Optional[Boolean]


@with_config(CONFIG)
class VerificationResult(TypedDict):
    """
    How the decision was verified: whether the prediction had changed before, the largest divergence that was accepted (`None` for
    any), the number of further passes, and the messages that were added, each as the position of an edge and a layer.
    """

    changed_before: Boolean
    max_divergence: Optional[NotNegative]
    passes: Integer
    added: Tuple[Tuple[Integer, Integer], ...]


@with_config(CONFIG)
class MeasuredDivergence(TypedDict):
    """How far the distribution with the kept messages only is from the original one."""

    name: String
    value: Number


@with_config(CONFIG)
class Constraint(TypedDict):
    """The constraint under which the interpreter was trained, and whether this instance meets it."""

    kind: String
    bound: NotNegative
    allowance: Optional[NotNegative]
    met: Optional[Boolean]
    met_in_training: Optional[Boolean]


@with_config(_OPEN_CONFIG)
class InterpreterDescription(TypedDict, extra_items=JsonValue):  # type: ignore[call-arg]
    """The interpreter's name and its own description of itself."""

    name: String


@with_config(_OPEN_CONFIG)
class Provenance(TypedDict, extra_items=JsonValue):  # type: ignore[call-arg]
    """Versions, fingerprints and seeds behind the explanation."""

    versions: Dict[String, String]
    config_sha256: Optional[Sha256]
    weights_sha256: Optional[Sha256]
    seeds: Dict[String, Optional[Integer]]


@with_config(CONFIG)
class ExplainedInput(TypedDict):
    """Where the input comes from: the file, the number of the input in it, from 1, and its place there in words, such as "line 3"."""

    file: Optional[String]
    number: Integer
    place: String


def check_references(
    tokens: Sequence[str],
    nodes: Sequence[ExplainedNode],
    focus: Optional[ExplainedFocus],
    verification: Optional[VerificationResult],
    kept: "numpy.ndarray",
) -> None:
    """
    Check what the types cannot express: nodes are numbered in order and lie within the tokens, and the focus and what verification
    added are parts of the explanation. Shape of `kept`: `(num_layers, num_edges)`.

    # Raises

    `ExplanationFormatError`
    """
    for position, node in enumerate(nodes):
        if node.id != position:
            raise ExplanationFormatError(
                f"nodes[{position}].id is {node.id}, expected {position}: nodes are numbered in order from 0."
            )
        if node.start is None and node.end is None:
            continue
        if node.start is None or node.end is None or not 0 <= node.start < node.end <= len(tokens):
            raise ExplanationFormatError(
                f"nodes[{position}] spans tokens {node.start} to {node.end} (exclusive), expected 0 <= start < end <= "
                f"{len(tokens)}, the number of tokens."
            )
    num_nodes = len(nodes)
    for node_id in focus["nodes"] if focus else ():
        if not 0 <= node_id < num_nodes:
            raise ExplanationFormatError(f"focus.nodes has {node_id}, but the {num_nodes} nodes are numbered from 0.")
    num_layers, num_edges = kept.shape
    for position, layer in verification["added"] if verification else ():
        if not (0 <= position < num_edges and 0 <= layer < num_layers and kept[layer, position]):
            raise ExplanationFormatError(
                f"verification.added has edge {position} in layer {layer}, which is not a message that is kept."
            )


def default_kind(spans: Sequence[Tuple[Any, Any]], num_tokens: int) -> str:
    """Return `"sentence"` if the nodes stand for the tokens one by one and in order, else `"graph"`."""
    one_by_one = 0 < num_tokens == len(spans) and all(span == (number, number + 1) for number, span in enumerate(spans))
    return "sentence" if one_by_one else "graph"
