"""From what an interpreter finds to an `Explanation`."""

import hashlib
import json
import logging
import platform
from typing import Any, Dict, List, Optional, Sequence, Set, Tuple

import torch
from allennlp.common.checks import ConfigurationError
from allennlp.data import Instance
from allennlp.version import VERSION as ALLENNLP_VERSION

from allennlp_graphmask.explanation.columns import Edges
from allennlp_graphmask.explanation.explanation import Explanation
from allennlp_graphmask.explanation.provenance import fingerprint
from allennlp_graphmask.explanation.schema import default_kind
from allennlp_graphmask.explanation.serialization import round_numbers, to_plain_json
from allennlp_graphmask.interpret.edge_attribution import EdgeAttribution
from allennlp_graphmask.version import VERSION

logger = logging.getLogger(__name__)

#: The key in an instance's metadata that names the kind of its explanations, and so the view that shows them.
KIND_KEY = "explanation_kind"

#: The seeds that AllenNLP uses where a config has none (`prepare_environment`).
_DEFAULT_SEEDS = {"random_seed": 13370, "numpy_seed": 1337, "pytorch_seed": 133}


def build_explanation(
    instance: Instance, output: Dict[str, Any], *, interpreter: Dict[str, Any], provenance: Dict[str, Any]
) -> Explanation:
    """
    Build the Explanation of one instance. This knows no task: the explained model decides what a prediction looks like.

    # Parameters

    instance : `Instance`
        Its field `metadata`, if there is one, gives the `tokens` and may give `nodes`, a list of `{text, start, end}` with the
        tokens that each node stands for. Without `nodes` there must be one node for each token; without either, nodes are named
        by their numbers. `explanation_kind` names the kind of explanation; by default it is `"sentence"` if there is one node
        for each token, else `"graph"`. All other metadata with a JSON form become part of the explanation, and so do further
        properties of the nodes, as its metadata `nodes`.
    output : `Dict[str, Any]`
        The interpreter's output for this instance: `attribution` (an `EdgeAttribution` of this instance alone) and, where they
        were measured, `original_prediction`, `masked_prediction`, `changed` and `divergence`; `focus`, if a part of the prediction
        is explained, with the fields of `ExplainedFocus`.
    interpreter : `Dict[str, Any]`
        The interpreter's description of itself: `name` and, where there are any, `divergence` (its name), `allowance`,
        `constraint` (`{kind, bound}`), `training_summary` (with `constraint_met`), and further entries.
    provenance : `Dict[str, Any]`
        See `build_provenance`.

    # Raises

    `ConfigurationError` if the graph has neither one node for each token nor described nodes, or the output has no
    `EdgeAttribution`; `ExplanationFormatError` if a part has the wrong form (a score that is not a number, for example).
    """
    attribution = output.get("attribution")
    if not isinstance(attribution, EdgeAttribution):
        raise ConfigurationError(
            f"The interpreter '{interpreter.get('name')}' gave {type(attribution).__name__} under 'attribution' in its output, "
            "expected the EdgeAttribution of one instance. make_output_human_readable puts it there."
        )
    metadata = instance.fields["metadata"].metadata if "metadata" in instance.fields else {}  # type: ignore[attr-defined]
    tokens = [str(token) for token in metadata.get("tokens", ())]
    nodes = _build_nodes(attribution.graph.num_nodes, tokens, metadata)
    divergence = output.get("divergence")
    interpreter = to_plain_json(interpreter)
    return Explanation.from_fields(
        {
            "kind": metadata.get(KIND_KEY)
            or default_kind([(node["start"], node["end"]) for node in nodes], len(tokens)),
            "tokens": tokens,
            "nodes": nodes,
            "num_layers": attribution.num_layers,
            "num_edges": attribution.graph.num_edges,
            "edges": _build_edges(attribution),
            "focus": to_plain_json(output.get("focus")),
            "verification": _build_verification(attribution),
            "prediction": {
                "original": to_plain_json(output.get("original_prediction")),
                "masked": to_plain_json(output.get("masked_prediction")),
                "changed": to_plain_json(output.get("changed")),
            },
            "divergence": None
            if divergence is None
            else {"name": interpreter.get("divergence"), "value": to_plain_json(divergence)},
            "constraint": _build_constraint(interpreter, output),
            "interpreter": interpreter,
            "provenance": to_plain_json(provenance),
            "input": None,  # what reads a file knows it
            "metadata": _plain_metadata(metadata),
        }
    )


def _build_edges(attribution: EdgeAttribution) -> Edges:
    graph = attribution.graph
    shape = attribution.num_layers, graph.num_edges
    scores = torch.stack(attribution.scores) if attribution.scores else torch.zeros(shape)
    kept = torch.stack(attribution.kept) if attribution.kept else torch.zeros(shape)
    return Edges(
        attribution.relation_names,
        graph.edge_type.numpy(force=True).copy(),
        graph.sources.numpy(force=True).copy(),
        graph.targets.numpy(force=True).copy(),
        round_numbers(scores.double().numpy(force=True)),
        kept.bool().numpy(force=True),
    )


def _build_nodes(num_nodes: int, tokens: Sequence[str], metadata: Dict[str, Any]) -> List[Dict[str, Any]]:
    described: Optional[Sequence[Tuple[str, Any, Any]]] = None
    if metadata.get("nodes") is not None:
        described = [(str(node["text"]), node.get("start"), node.get("end")) for node in metadata["nodes"]]
        if len(described) != num_nodes:
            raise ConfigurationError(
                f"The metadata describe {len(described)} nodes ('nodes'), but the graph has {num_nodes}."
            )
    elif not tokens:
        described = [(str(number), None, None) for number in range(num_nodes)]
    elif len(tokens) == num_nodes:
        described = [(token, number, number + 1) for number, token in enumerate(tokens)]
    else:
        raise ConfigurationError(
            f"The graph has {num_nodes} nodes for {len(tokens)} tokens. If its nodes are not the tokens, the reader must describe "
            "them in the metadata: 'nodes', a list of {'text', 'start', 'end'}, one for each node."
        )
    return [
        {"id": number, "text": text, "start": start, "end": end} for number, (text, start, end) in enumerate(described)
    ]


def _build_verification(attribution: EdgeAttribution) -> Optional[Dict[str, Any]]:
    verification = attribution.verification
    if verification is None:
        return None
    layers = zip(attribution.kept, verification.kept_before)
    added = torch.stack([kept & ~before for kept, before in layers], dim=1).nonzero()  # Shape: (num_added, 2)
    return {
        "changed_before": bool(verification.changed_before),
        "max_divergence": verification.max_divergence,
        "passes": int(verification.num_passes),
        "added": added.tolist(),
    }


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
        if key in ("tokens", KIND_KEY):
            continue  # they have fields of their own
        if key == "nodes":
            value = [
                {name: node[name] for name in node if name not in ("id", "text", "start", "end")} for node in value
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


def build_provenance(model: torch.nn.Module, config: Optional[Dict[str, Any]] = None) -> Dict[str, Any]:
    """
    Build the `provenance` of explanations made with a model (an interpreter together with the model that it explains).
    It reads all weights: compute it once, not for every explanation. `config` is the configuration that the model was
    trained with, as in its archive; without it the provenance has neither its fingerprint nor seeds.
    """
    return {
        "versions": {
            "allennlp_graphmask": VERSION,
            "allennlp": ALLENNLP_VERSION,
            "torch": str(torch.__version__),
            "python": platform.python_version(),
        },
        "config_sha256": None if config is None else fingerprint(config),
        "weights_sha256": weights_fingerprint(model),
        # A seed is an integer, or null where the config asks for none.
        "seeds": {} if config is None else {name: config.get(name, seed) for name, seed in _DEFAULT_SEEDS.items()},
    }


def weights_fingerprint(model: torch.nn.Module) -> str:
    """
    Return the SHA-256 over the names, types, shapes and bytes of all parameters and buffers: the same for the same weights on
    any device, in any archive.
    """
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        if isinstance(value, torch.Tensor):
            digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
            # As bytes, because NumPy lacks some of torch's types (bfloat16).
            digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
        else:  # the extra state of a module
            digest.update(f"{name} {json.dumps(value, sort_keys=True, default=str)}\n".encode())
    return digest.hexdigest()
