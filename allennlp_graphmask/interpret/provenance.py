"""From what an explanation was made: versions, the configuration, the weights and the seeds."""

import hashlib
import json
import platform
from typing import Any, Dict, Optional

import torch
from allennlp.version import VERSION as ALLENNLP_VERSION

from allennlp_graphmask.version import VERSION

#: What AllenNLP seeds its random generators with where a config does not say (`prepare_environment`).
_DEFAULT_SEEDS = {"random_seed": 13370, "numpy_seed": 1337, "pytorch_seed": 133}


def build_provenance(model: torch.nn.Module, config: Optional[Dict[str, Any]] = None) -> Dict[str, Any]:
    """
    The `provenance` of explanations made with a model. It reads all weights: compute it once, not for every
    explanation.

    # Parameters

    model : `torch.nn.Module`
        The interpreter with the model that it explains.
    config : `Dict[str, Any]`, optional (default = `None`)
        The configuration that the model was trained with, as in its archive. Without it the provenance has
        neither its fingerprint nor seeds.
    """
    return {
        "versions": {
            "allennlp_graphmask": VERSION,
            "allennlp": ALLENNLP_VERSION,
            "torch": str(torch.__version__),
            "python": platform.python_version(),
        },
        "config_sha256": None if config is None else config_fingerprint(config),
        "weights_sha256": weights_fingerprint(model),
        # A seed is an integer, or null where the config asks for none.
        "seeds": {}
        if config is None
        else {name: config.get(name, seed) for name, seed in _DEFAULT_SEEDS.items()},
    }


def config_fingerprint(config: Dict[str, Any]) -> str:
    """SHA-256 of a configuration; the order of its keys does not matter."""
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode("utf-8")).hexdigest()


def weights_fingerprint(model: torch.nn.Module) -> str:
    """
    SHA-256 over the names, types, shapes and bytes of all parameters and buffers: the same for the same
    weights on any device, in any archive.
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
