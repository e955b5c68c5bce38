"""Models, batches and AllenNLP's own checks of a model, for configs written in tests."""

import copy
import json
from typing import Any, Dict, List, Tuple

import torch
from allennlp.common import Params
from allennlp.common.testing import ModelTestCase
from allennlp.data import Instance, Vocabulary
from allennlp.data.batch import Batch
from allennlp.models import Model


class StockModelChecks(ModelTestCase):
    """The checks that AllenNLP has for all models. Derived classes write the data."""

    keys_to_ignore: Tuple[str, ...] = ()

    def prepare(self) -> Tuple[Dict[str, Any], Any]:
        """Return the config and the path of the data."""
        raise NotImplementedError

    def setup_method(self) -> None:
        super().setup_method()
        config, data = self.prepare()
        path = self.TEST_DIR / "config.json"
        paths = {"train_data_path": str(data), "validation_data_path": str(data)}
        path.write_text(json.dumps({**paths, **config}))
        self.set_up_model(path, data, seed=1)

    def test_train_save_and_load(self) -> None:
        self.ensure_model_can_train_save_and_load(self.param_file)

    def test_batch_predictions_are_consistent(self) -> None:
        self.ensure_batch_predictions_are_consistent(keys_to_ignore=self.keys_to_ignore)


TRAINING = {
    "data_loader": {"batch_size": 3},
    "trainer": {"num_epochs": 1, "optimizer": "adam", "cuda_device": -1},
}


def build_model(config: Dict[str, Any], vocabulary: Vocabulary) -> Any:
    """Build the model of a config, in evaluation mode."""
    torch.manual_seed(0)
    return Model.from_params(Params(copy.deepcopy(config)), vocab=vocabulary).eval()


def make_batch(instances: List[Instance], vocabulary: Vocabulary) -> Dict[str, Any]:
    batch = Batch(instances)
    batch.index_instances(vocabulary)
    return batch.as_tensor_dict()
