"""The model that GraphMask explains, from its archive or from its config in a GraphMask archive."""

import copy
import os
from typing import Any, Dict, List

from allennlp.common import Params
from allennlp.common.checks import ConfigurationError
from allennlp.common.file_utils import cached_path
from allennlp.data import Vocabulary
from allennlp.models import Model

from allennlp_graphmask.checked_parameters import translate_renamed
from allennlp_graphmask_compat.archives import read_archived_config
from allennlp_graphmask_compat.loading import locate

#: In a target's config: its weights will be loaded into it, from GraphMask's own archive.
WEIGHTS_FOLLOW = "weights_follow"


def archived_model_config(archive_file: str) -> Dict[str, Any]:
    """Read the `model` section of an archive's config; the archive is a file or the folder of a training run."""
    model = read_archived_config(str(cached_path(archive_file))).get("model")
    if not isinstance(model, dict):
        raise ConfigurationError(
            f"The config of the archive '{archive_file}' has no model. It must be a model.tar.gz, or the folder, that `allennlp "
            "train` wrote."
        )
    return model


def resolve_target_config(config: Dict[str, Any]) -> Dict[str, Any]:
    """
    Return the config from which the target can be built without its archive: `from_archive` is replaced by the config in the
    archive, also if that is `from_archive` again.
    """
    seen: List[str] = []
    while config.get("type") == "from_archive":
        archive_file = str(config["archive_file"])
        if archive_file in seen:
            raise ConfigurationError(
                f"The archive '{archive_file}' names itself as the archive that its model comes from."
            )
        seen.append(archive_file)
        config = archived_model_config(archive_file)
    return config


def load_target(config: Dict[str, Any], vocab: Vocabulary) -> Model:
    """
    Load the target from its archive, or build it from the config in a GraphMask archive, which holds its weights. Raise
    a `ConfigurationError` if the archive is missing, its vocabulary is not `vocab`, or the target would have random
    weights.
    """
    if config.get("type") != "from_archive":
        config = copy.deepcopy(config)
        if not config.pop(WEIGHTS_FOLLOW, False):
            raise ConfigurationError(
                f"The target of type {config.get('type')!r} would be built with random weights, and GraphMask explains a trained "
                'model. Give the archive of one: "target": {"type": "from_archive", "archive_file": ...}'
            )
        return Model.from_params(Params(translate_renamed(config)), vocab=vocab)
    archive_file = config.get("archive_file")
    if not archive_file:
        raise ConfigurationError('The target {"type": "from_archive"} needs "archive_file".')
    if not os.path.exists(locate(archive_file)) and "://" not in archive_file:
        raise ConfigurationError(
            f"The archive of the model to explain, '{archive_file}', does not exist. Training needs it (also with --recover); "
            "a finished GraphMask archive does not need it."
        )
    # Without a vocabulary: given ours, `from_archive` would extend the target's vocabulary and embeddings with it, and so alter the
    # model to explain.
    target = Model.from_archive(archive_file, vocab=None)  # type: ignore[arg-type]
    if isinstance(target, Model.by_name("graphmask")):  # type: ignore[arg-type]  # AllenNLP: a class, or a constructor
        raise ConfigurationError(
            f"The target '{archive_file}' is an archive of GraphMask, which has its masker already: `allennlp explain` uses it as it "
            "is. To train a masker, give the archive of the model that it explains."
        )
    check_same_vocabulary(vocab, target.vocab, archive_file)
    return target


def check_same_vocabulary(vocab: Vocabulary, target_vocab: Vocabulary, archive_file: str) -> None:
    """Raise a `ConfigurationError` if namespaces differ, with their names and the lines of config to add."""
    namespaces = set(vocab.get_namespaces()) | set(target_vocab.get_namespaces())
    differing = sorted(
        namespace
        for namespace in namespaces
        if vocab.get_index_to_token_vocabulary(namespace) != target_vocab.get_index_to_token_vocabulary(namespace)
    )
    if differing:
        raise ConfigurationError(
            f"The vocabulary differs from that of the model to explain in {', '.join(map(repr, differing))}: the same words and "
            'labels would get other indices. Take the target\'s: "vocabulary": {"type": "from_files", "directory": '
            f'"{archive_file}"}}'
        )
