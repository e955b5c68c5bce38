import json
import tarfile
from pathlib import Path

import pytest
import torch
from allennlp.common.checks import ConfigurationError
from allennlp.data import Vocabulary
from allennlp.models import Model
from allennlp.training.metrics import Average, CategoricalAccuracy
from torch import nn

from allennlp_graphmask.interpret.graphmask.target import (
    MetricSets,
    archived_model_config,
    check_same_vocabulary,
    find_graph_encoder,
    load_target,
    resolve_target_config,
    stochastic_layers_active,
)
from allennlp_graphmask.modules import SyntacticGcn


class Inner(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.average = Average()


class Measured(Model):
    """Metrics in every place where models keep them, one of them known under two names."""

    def __init__(self) -> None:
        super().__init__(Vocabulary())
        self.alone = Average()
        self.by_name = {"first": Average(), "shared": self.alone, "no metric": 3}
        self.listed = [Average(), "no metric"]
        self.inner = Inner()
        self.others = {"no": "metrics"}

    def forward(self, value: float) -> None:  # type: ignore[override]
        for metric in (self.alone, self.by_name["first"], self.listed[0], self.inner.average):
            metric(value)

    def get_metrics(self, reset: bool = False) -> dict:
        return {
            "shared": self.by_name["shared"].get_metric(),
            "alone": self.alone.get_metric(reset),
            "by_name": self.by_name["first"].get_metric(reset),
            "listed": self.listed[0].get_metric(reset),
            "inner": self.inner.average.get_metric(reset),
        }


NAMES = ("alone", "by_name", "listed", "inner", "shared")


class TestMetricSets:
    def test_passes_come_apart(self) -> None:
        model = Measured()
        sets = MetricSets(model, ["original", "masked"])
        for value in (1.0, 3.0):
            with sets.using("original"):
                model(value)
        with sets.using("masked"):
            model(10.0)
        model(100.0)
        assert sets.get_metrics("original", reset=False) == dict.fromkeys(NAMES, 2.0)
        assert sets.get_metrics("masked", reset=True) == dict.fromkeys(NAMES, 10.0)
        assert sets.get_metrics("masked", reset=False) == dict.fromkeys(NAMES, 0.0)
        assert sets.get_metrics("original", reset=False) == dict.fromkeys(NAMES, 2.0)
        assert model.get_metrics() == dict.fromkeys(NAMES, 100.0)

    def test_the_models_own_come_back_also_after_an_error(self) -> None:
        model = Measured()
        own = [model.alone, model.by_name, model.listed, model.inner.average]
        sets = MetricSets(model, ["masked"])
        for error in (RuntimeError, KeyboardInterrupt):
            with pytest.raises(error), sets.using("masked"):
                assert model.alone is not own[0]
                raise error
            after = [model.alone, model.by_name, model.listed, model.inner.average]
            assert all(first is second for first, second in zip(own, after))

    def test_the_vocabulary_is_not_copied(self) -> None:
        model = Measured()
        model.alone.vocab = model.vocab
        with MetricSets(model, ["masked"]).using("masked"):
            assert model.alone.vocab is model.vocab

    def test_a_model_without_metrics(self) -> None:
        model = Measured()
        del model.alone, model.by_name, model.listed, model.inner.average
        with MetricSets(model, ["masked"]).using("masked"):
            assert model.others == {"no": "metrics"}


class TestFindGraphEncoder:
    @staticmethod
    def model_with(*names: str) -> Model:
        model = Measured()
        for name in names:
            setattr(model.inner, name, SyntacticGcn(model.vocab, 2, 2))
        return model

    def test_the_only_one(self) -> None:
        model = self.model_with("encoder")
        assert find_graph_encoder(model) == ("inner.encoder", model.inner.encoder)

    def test_none(self) -> None:
        with pytest.raises(
            ConfigurationError, match=r"Measured must contain exactly one GraphEncoder .* has \[\]"
        ):
            find_graph_encoder(self.model_with())

    def test_several_need_a_name(self) -> None:
        model = self.model_with("first", "second")
        with pytest.raises(
            ConfigurationError, match=r"'inner.first', 'inner.second'\]. Choose one by \"encoder\""
        ):
            find_graph_encoder(model)
        assert find_graph_encoder(model, "inner.second")[1] is model.inner.second

    def test_a_wrong_name_is_told_the_right_ones(self) -> None:
        with pytest.raises(
            ConfigurationError, match=r"no GraphEncoder named 'gcn'; it has \['inner.first'\]"
        ):
            find_graph_encoder(self.model_with("first"), "gcn")


class TestVocabulary:
    def test_differences_are_named_with_the_mend(self) -> None:
        ours, theirs = Vocabulary(), Vocabulary()
        ours.add_token_to_namespace("same", "tokens")
        theirs.add_token_to_namespace("same", "tokens")
        check_same_vocabulary(ours, theirs, "model.tar.gz")
        ours.add_token_to_namespace("a", "edge_labels")
        theirs.add_token_to_namespace("b", "edge_labels")
        theirs.add_token_to_namespace("x", "role_labels")
        with pytest.raises(ConfigurationError) as raised:
            check_same_vocabulary(ours, theirs, "model.tar.gz")
        message = str(raised.value)
        assert "'edge_labels', 'role_labels'" in message and "'tokens'" not in message
        assert '"vocabulary": {"type": "from_files", "directory": "model.tar.gz"}' in message


def write_archive(folder: Path, model_config: dict, packed: bool) -> str:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model": model_config}))
    if not packed:
        return str(folder)
    with tarfile.open(folder / "model.tar.gz", "w:gz") as archive:
        archive.add(folder / "config.json", "config.json")
    return str(folder / "model.tar.gz")


class TestTargetConfig:
    @pytest.mark.parametrize("packed", [True, False])
    def test_through_several_archives(self, tmp_path, packed) -> None:
        config = {"type": "toy", "size": 3}
        for number in range(3):
            path = write_archive(tmp_path / str(number), config, packed)
            config = {"type": "from_archive", "archive_file": path}
        assert resolve_target_config(config) == {"type": "toy", "size": 3}

    def test_a_config_that_is_no_archive_is_itself(self) -> None:
        assert resolve_target_config({"type": "toy"}) == {"type": "toy"}

    def test_a_cycle_is_an_error_and_no_endless_loop(self, tmp_path) -> None:
        first, second = str(tmp_path / "first"), str(tmp_path / "second")
        write_archive(Path(first), {"type": "from_archive", "archive_file": second}, False)
        write_archive(Path(second), {"type": "from_archive", "archive_file": first}, False)
        with pytest.raises(ConfigurationError, match="first' names itself"):
            resolve_target_config({"type": "from_archive", "archive_file": first})

    @pytest.mark.parametrize("content", [None, b"no archive"])
    def test_what_is_no_archive(self, tmp_path, content) -> None:
        path = tmp_path / "model.tar.gz"
        if content is None:
            path.mkdir()
        else:
            path.write_bytes(content)
        with pytest.raises(ConfigurationError, match="Could not read the model's config from the archive"):
            archived_model_config(str(path))

    def test_a_config_that_is_no_json(self, tmp_path) -> None:
        (tmp_path / "config.json").write_text("{broken")
        with pytest.raises(ConfigurationError, match="Could not read the model's config from the archive"):
            archived_model_config(str(tmp_path))

    def test_a_missing_archive(self, tmp_path) -> None:
        path = str(tmp_path / "gone.tar.gz")
        with pytest.raises(ConfigurationError, match="gone.tar.gz', does not exist. Training needs it"):
            load_target({"type": "from_archive", "archive_file": path}, Vocabulary())

    def test_an_archive_that_is_not_named(self) -> None:
        with pytest.raises(ConfigurationError, match='needs "archive_file"'):
            load_target({"type": "from_archive"}, Vocabulary())


class TestStochasticLayersActive:
    @staticmethod
    def model() -> nn.Module:
        model = nn.Sequential(
            nn.Linear(4, 4),
            nn.BatchNorm1d(4),
            nn.Dropout(0.5),
            nn.Sequential(nn.Dropout(0.5), nn.LayerNorm(4)),
        ).eval()
        model[3].train()  # as a user may have left it
        model[3][0].eval()
        return model

    def test_dropout_works_and_normalisation_keeps_its_statistics(self) -> None:
        model = self.model()
        statistics = model[1].running_mean.clone(), model[1].num_batches_tracked.clone()
        inputs = torch.randn(8, 4)
        with stochastic_layers_active(model):
            assert model[2].training and model[3][0].training and not model[1].training
            assert not torch.equal(model(inputs), model(inputs))
        assert torch.equal(model[1].running_mean, statistics[0])
        assert torch.equal(model[1].num_batches_tracked, statistics[1])

    def test_flags_come_back_also_after_an_error(self) -> None:
        model = self.model()
        before = [module.training for module in model.modules()]
        assert len(set(before)) == 2
        with stochastic_layers_active(model):
            pass
        assert [module.training for module in model.modules()] == before
        for error in (RuntimeError, KeyboardInterrupt):
            with pytest.raises(error), stochastic_layers_active(model):
                raise error
            assert [module.training for module in model.modules()] == before


def test_a_metric_is_recognised_by_its_type() -> None:
    model = Measured()
    model.accuracies = (CategoricalAccuracy(), CategoricalAccuracy(top_k=2))
    own = model.accuracies
    with MetricSets(model, ["masked"]).using("masked"):
        assert model.accuracies is not own and isinstance(model.accuracies, tuple)
