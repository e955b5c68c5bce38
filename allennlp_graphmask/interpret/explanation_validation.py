"""
Checks of the Explanation's JSON form that name the offending field. `explanation.schema.json` says the same
for other languages, as far as JSON Schema can: that edges stay inside the nodes and that all edges have the
same number of layers it cannot say.
"""

import json
import math
import re
from typing import Any, Callable, Dict, List, Optional, Tuple

from allennlp_graphmask.interpret.plain_json import holds_only_atoms

#: Says what a JSON object is; the first thing that every reader looks at.
SCHEMA_NAME = "allennlp_graphmask.explanation"
#: Raised whenever a reader of the previous version would misread what a writer of the new one writes.
SCHEMA_VERSION = 1

_SHA256 = re.compile(r"[0-9a-f]{64}")

_TOP_LEVEL_KEYS = (
    "schema",
    "schema_version",
    "tokens",
    "nodes",
    "num_layers",
    "edges",
    "prediction",
    "divergence",
    "constraint",
    "interpreter",
    "provenance",
    "metadata",
)

_EDGE_KEYS = ("source", "target", "type", "score", "kept")


class ExplanationFormatError(ValueError):
    """Something is no Explanation. The message names the field by its path, such as `edges[3].score[0]`."""


def load_json(line: str) -> Any:
    """
    Reads one JSON value.

    # Raises

    `ExplanationFormatError` if it is no JSON or an object in it has a key twice.
    """

    def unique_keys(pairs: List[Tuple[str, Any]]) -> Dict[str, Any]:
        data = dict(pairs)
        if len(data) != len(pairs):
            keys = [key for key, _ in pairs]
            double = next(key for key in keys if keys.count(key) > 1)
            raise ExplanationFormatError(f"The key {double!r} occurs twice in one object.")
        return data

    try:
        return json.loads(line, object_pairs_hook=unique_keys)
    except json.JSONDecodeError as error:
        raise ExplanationFormatError(f"This is no JSON: {error.msg} at column {error.colno}.") from error


def validate_explanation(data: Any) -> None:
    """
    Checks the JSON form of an Explanation.

    # Raises

    `ExplanationFormatError` naming the first offending field.
    """
    _object(data, "explanation")
    _check_schema(data)
    _keys(data, _TOP_LEVEL_KEYS, "")
    tokens = _list(data["tokens"], "tokens")
    for position, token in enumerate(tokens):
        _string(token, f"tokens[{position}]")
    nodes = _list(data["nodes"], "nodes")
    for position, node in enumerate(nodes):
        _check_node(node, position, len(tokens))
    num_layers = _integer(data["num_layers"], "num_layers")
    if num_layers < 1:
        raise ExplanationFormatError(f"num_layers is {num_layers}, expected at least 1.")
    for position, edge in enumerate(_list(data["edges"], "edges")):
        # Explanations have many edges and nearly all are right: only for a wrong one is it worth to say what
        # is wrong.
        if not _is_plain_edge(edge, len(nodes), num_layers):
            _check_edge(edge, f"edges[{position}]", len(nodes), num_layers)
    _check_prediction(data["prediction"])
    _optional(data["divergence"], "divergence", _check_divergence)
    _optional(data["constraint"], "constraint", _check_constraint)
    interpreter = _object(data["interpreter"], "interpreter")
    if "name" not in interpreter:
        raise ExplanationFormatError(
            "interpreter.name is missing: an explanation says which interpreter made it."
        )
    _string(interpreter["name"], "interpreter.name")
    check_json(interpreter, "interpreter")
    _check_provenance(data["provenance"])
    check_json(_object(data["metadata"], "metadata"), "metadata")


def check_json(value: Any, path: str) -> None:
    """
    Checks that a value can be written as JSON and read back equal: string keys, finite numbers, nothing but
    dictionaries, lists, strings, numbers, booleans and `None`.
    """
    problem = _json_problem(value)
    if problem is not None:
        place, what = problem
        raise ExplanationFormatError(f"{path}{place} {what}")


def _json_problem(value: Any) -> Optional[Tuple[str, str]]:
    """The path and description of the first thing that is no JSON. Paths are put together only if there is one."""
    # bool is an int in Python, and None, strings and integers are always fine.
    if value is None or isinstance(value, (str, int)):
        return None
    if isinstance(value, float):
        return None if math.isfinite(value) else ("", f"is {value}, expected a finite number.")
    if isinstance(value, list):
        if holds_only_atoms(value):
            return None
        for position, item in enumerate(value):
            problem = _json_problem(item)
            if problem is not None:
                return f"[{position}]{problem[0]}", problem[1]
        return None
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                return "", f"has the key {key!r}; keys of JSON objects are strings."
            problem = _json_problem(item)
            if problem is not None:
                return f".{key}{problem[0]}", problem[1]
        return None
    return "", f"is of type {type(value).__name__}, which JSON does not have."


def _check_schema(data: Dict[str, Any]) -> None:
    schema, version = data.get("schema"), data.get("schema_version")
    if schema != SCHEMA_NAME:
        raise ExplanationFormatError(
            f"schema is {schema!r}, expected {SCHEMA_NAME!r}: allennlp_graphmask did not write this."
        )
    if isinstance(version, bool) or not isinstance(version, int):
        raise ExplanationFormatError(f"schema_version is {version!r}, expected an integer.")
    if version != SCHEMA_VERSION:
        mend = (
            "It was written by a newer allennlp_graphmask: upgrade this one."
            if version > SCHEMA_VERSION
            else "No released allennlp_graphmask wrote that version: the file is damaged."
        )
        raise ExplanationFormatError(
            f"schema_version is {version}, but this allennlp_graphmask reads version {SCHEMA_VERSION} only. "
            f"{mend}"
        )


def _check_node(node: Any, position: int, num_tokens: int) -> None:
    path = f"nodes[{position}]"
    _keys(_object(node, path), ("id", "text", "start", "end"), path)
    number = _integer(node["id"], f"{path}.id")
    if number != position:
        raise ExplanationFormatError(
            f"{path}.id is {number}, expected {position}: nodes are numbered in order from 0."
        )
    _string(node["text"], f"{path}.text")
    start, end = node["start"], node["end"]
    if start is None and end is None:
        return  # a node that stands for nothing in the text
    _integer(start, f"{path}.start")
    _integer(end, f"{path}.end")
    if not 0 <= start < end <= num_tokens:
        raise ExplanationFormatError(
            f"{path} spans tokens {start} to {end} (exclusive), expected 0 <= start < end <= {num_tokens}, "
            "the number of tokens."
        )


def _is_plain_edge(edge: Any, num_nodes: int, num_layers: int) -> bool:
    """Whether an edge surely passes `_check_edge`; a quick look that names nothing."""
    if type(edge) is not dict or tuple(edge) != _EDGE_KEYS:
        return False
    source, target, label, scores, kept = edge.values()
    return (
        type(source) is int
        and type(target) is int
        and 0 <= source < num_nodes
        and 0 <= target < num_nodes
        and type(label) is str
        and type(scores) is list
        and type(kept) is list
        and len(scores) == len(kept) == num_layers
        and [*map(type, scores)].count(float) == num_layers
        and [*map(type, kept)].count(bool) == num_layers
        # Of numbers that are finite, and not astronomical.
        and math.isfinite(sum(scores))
    )


def _check_edge(edge: Any, path: str, num_nodes: int, num_layers: int) -> None:
    _keys(_object(edge, path), _EDGE_KEYS, path)
    for end in ("source", "target"):
        node = _integer(edge[end], f"{path}.{end}")
        if not 0 <= node < num_nodes:
            raise ExplanationFormatError(
                f"{path}.{end} is {node}, but the {num_nodes} nodes are numbered 0 to {num_nodes - 1}."
            )
    _string(edge["type"], f"{path}.type")
    for name in ("score", "kept"):
        values = _list(edge[name], f"{path}.{name}")
        if len(values) != num_layers:
            raise ExplanationFormatError(
                f"{path}.{name} has {len(values)} entries, expected {num_layers}: one for each layer."
            )
    for layer, (score, kept) in enumerate(zip(edge["score"], edge["kept"])):
        _number(score, f"{path}.score[{layer}]")
        _boolean(kept, f"{path}.kept[{layer}]")


def _check_prediction(prediction: Any) -> None:
    _keys(_object(prediction, "prediction"), ("original", "masked", "changed"), "prediction")
    check_json(prediction["original"], "prediction.original")
    check_json(prediction["masked"], "prediction.masked")
    _optional(prediction["changed"], "prediction.changed", _boolean)


def _check_divergence(divergence: Any, path: str) -> None:
    _keys(_object(divergence, path), ("name", "value"), path)
    _string(divergence["name"], f"{path}.name")
    _number(divergence["value"], f"{path}.value")


def _check_constraint(constraint: Any, path: str) -> None:
    _keys(_object(constraint, path), ("kind", "bound", "allowance", "met", "met_in_training"), path)
    _string(constraint["kind"], f"{path}.kind")
    _not_negative(constraint["bound"], f"{path}.bound")
    _optional(constraint["allowance"], f"{path}.allowance", _not_negative)
    _optional(constraint["met"], f"{path}.met", _boolean)
    _optional(constraint["met_in_training"], f"{path}.met_in_training", _boolean)


def _check_provenance(provenance: Any) -> None:
    _object(provenance, "provenance")
    for key in ("versions", "config_sha256", "weights_sha256", "seeds"):
        if key not in provenance:
            raise ExplanationFormatError(f"provenance.{key} is missing.")
    for name, version in _object(provenance["versions"], "provenance.versions").items():
        _string(version, f"provenance.versions.{name}")
    for name in ("config_sha256", "weights_sha256"):
        fingerprint = provenance[name]
        if fingerprint is not None and not (isinstance(fingerprint, str) and _SHA256.fullmatch(fingerprint)):
            raise ExplanationFormatError(
                f"provenance.{name} is {fingerprint!r}, expected a SHA-256 fingerprint as 64 lower-case "
                "hexadecimal digits, or null."
            )
    for name, seed in _object(provenance["seeds"], "provenance.seeds").items():
        _optional(seed, f"provenance.seeds.{name}", _integer)
    check_json(provenance, "provenance")


def _keys(data: Dict[str, Any], expected: Any, path: str) -> None:
    prefix = path + "." if path else ""
    for key in expected:
        if key not in data:
            raise ExplanationFormatError(f"{prefix}{key} is missing.")
    for key in data:
        if key not in expected:
            raise ExplanationFormatError(
                f"{prefix}{key} is no field of version {SCHEMA_VERSION}; these are: {', '.join(expected)}."
            )


def _optional(value: Any, path: str, check: Callable[[Any, str], Any]) -> Optional[Any]:
    return None if value is None else check(value, path)


def _wrong_type(value: Any, path: str, expected: str) -> ExplanationFormatError:
    return ExplanationFormatError(f"{path} is {_shortened(value)}, expected {expected}.")


def _shortened(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _object(value: Any, path: str) -> Dict[str, Any]:
    if not isinstance(value, dict):
        raise _wrong_type(value, path, "an object")
    return value


def _list(value: Any, path: str) -> List[Any]:
    if not isinstance(value, list):
        raise _wrong_type(value, path, "a list")
    return value


def _string(value: Any, path: str) -> str:
    if not isinstance(value, str):
        raise _wrong_type(value, path, "a string")
    return value


def _boolean(value: Any, path: str) -> bool:
    if not isinstance(value, bool):
        raise _wrong_type(value, path, "true or false")
    return value


def _integer(value: Any, path: str) -> int:
    # Python's bool is an int, JSON's is not.
    if isinstance(value, bool) or not isinstance(value, int):
        raise _wrong_type(value, path, "an integer")
    return value


def _number(value: Any, path: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise _wrong_type(value, path, "a finite number")
    return value


def _not_negative(value: Any, path: str) -> float:
    if _number(value, path) < 0:
        raise ExplanationFormatError(f"{path} is {value}, expected at least 0.")
    return value
