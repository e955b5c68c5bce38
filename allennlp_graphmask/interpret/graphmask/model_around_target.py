import copy
import json
import os
from typing import Any, Dict, Optional, Union

from allennlp.common import Params
from allennlp.common.checks import ConfigurationError
from allennlp.data import Vocabulary
from allennlp.models import Model
from allennlp.nn.util import read_state_dict

from allennlp_graphmask.checked_parameters import ModelWithCheckedParameters
from allennlp_graphmask.interpret.graphmask.target import WEIGHTS_FOLLOW, load_target, resolve_target_config
from allennlp_graphmask_compat.loading import check_config, untrusted_loading


class ModelAroundTarget(ModelWithCheckedParameters):
    """
    A model around a trained one, the target, which stays as it is: its parameters are frozen and it stays in evaluation
    mode. The archive is self-contained: the state dict holds the target's config beside its weights.

    See `GraphMask` for the parameters. A target that is a `Model` is copied.
    """

    def __init__(self, vocab: Vocabulary, target: Union[Dict[str, Any], Model], **kwargs: Any) -> None:
        super().__init__(vocab, **kwargs)
        self._target_config: Optional[Dict[str, Any]] = None
        if isinstance(target, Model):
            # The user's own model stays as it is: ours gets its parameters frozen.
            self.target = copy.deepcopy(target)
        else:
            config = target.as_dict(quiet=True) if isinstance(target, Params) else dict(target)
            self.target = load_target(config, vocab)
            self._target_config = resolve_target_config(config)
            self._target_config.pop(WEIGHTS_FOLLOW, None)
        self.target.requires_grad_(False)
        # Also before `train` or `eval` is called for the first time.
        self.target.eval()
        #: The metrics of the last validation of the training run; part of the archive.
        self.training_summary: Dict[str, Any] = {}
        #: The config of the archive that this model was loaded from, for the provenance of its explanations.
        self.archive_config: Optional[Dict[str, Any]] = None

    def train(self, mode: bool = True) -> "ModelAroundTarget":
        super().train(mode)
        # The target has been trained; what it computes must not depend on ours being in training.
        self.target.eval()
        return self

    def extend_vocab(self, extended_vocab: Vocabulary, **_: Any) -> None:
        """
        Extend the target's vocabulary where it is one of its own. AllenNLP calls this for a model whose vocabulary may have grown,
        and then lets the modules of the target grow (`Model.extend_embedder_vocab`).
        """
        self.target.vocab.extend_from_vocab(extended_vocab)

    def get_extra_state(self) -> str:
        # Part of the state dict, so that the archive is enough to build the target again. A string, because reading weights
        # safely allows nothing more complicated.
        return json.dumps({"target_config": self._target_config, "training_summary": self.training_summary})

    def set_extra_state(self, state: str) -> None:
        self.training_summary = json.loads(state)["training_summary"]
        choice = self.training_summary.get("threshold_choice", {})
        if "promised_changed" in choice:  # its name in earlier versions
            choice["max_changed"] = choice.pop("promised_changed")

    @classmethod
    def _load(
        cls,
        config: Params,
        serialization_dir: Union[str, os.PathLike[str]],
        weights_file: Optional[Union[str, os.PathLike[str]]] = None,
        cuda_device: int = -1,
    ) -> "ModelAroundTarget":
        weights_file = weights_file or os.path.join(serialization_dir, "best.th")
        target_config = _read_target_config(weights_file)
        # Loading takes things out of the config.
        archive_config = config.as_dict(quiet=True)
        if target_config is not None:
            loading = untrusted_loading()
            if loading is not None:
                check_config(target_config, loading.archive_file, "target_config (in its weights)")
            config = config.duplicate()
            config["model"]["target"] = {**target_config, WEIGHTS_FOLLOW: True}
        model = super()._load(config, serialization_dir, weights_file, cuda_device)
        assert isinstance(model, cls)
        model.archive_config = archive_config
        return model


def _read_target_config(weights_file: Union[str, os.PathLike[str]]) -> Optional[Dict[str, Any]]:
    """Return the target's config that a state dict holds. Raise a `ConfigurationError` if it is not that of a GraphMask archive."""
    try:
        state = json.loads(str(read_state_dict(weights_file)["_extra_state"]))
        config, summary = state["target_config"], state["training_summary"]
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ConfigurationError(
            f"The weights '{weights_file}' hold no config of the model to explain, as those of GraphMask do ({error!r})."
        ) from error
    if not isinstance(config, dict | None) or not isinstance(summary, dict):
        raise ConfigurationError(
            f"The target_config and training_summary in the weights '{weights_file}' are not JSON objects."
        )
    return config
