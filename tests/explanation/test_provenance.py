import hashlib
import inspect

import pytest
import torch
from allennlp.common.util import prepare_environment

from allennlp_graphmask.explanation.provenance import fingerprint, with_file_contents
from allennlp_graphmask.explanation.serialization import to_plain_json
from allennlp_graphmask.interpret.build_explanation import build_provenance, weights_fingerprint


def _model(dtype: torch.dtype = torch.float) -> torch.nn.Module:
    torch.manual_seed(1)
    model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
    model.register_buffer("empty", torch.zeros(0))
    return model.to(dtype)


class _WithExtraState(torch.nn.Linear):
    state = "a"

    def get_extra_state(self):
        return self.state

    def set_extra_state(self, state):
        self.state = state


class TestFingerprints:
    def test_equal_weights_have_equal_fingerprints(self):
        assert weights_fingerprint(_model()) == weights_fingerprint(_model())

    def test_one_changed_number_changes_it(self):
        model = _model()
        with torch.no_grad():
            model[0].bias[2] += 1e-6
        assert weights_fingerprint(model) != weights_fingerprint(_model())

    def test_the_extra_state_belongs_to_it(self):
        torch.manual_seed(1)
        model = _WithExtraState(1, 1)
        before = weights_fingerprint(model)
        model.state = "b"
        assert weights_fingerprint(model) != before

    def test_types_that_numpy_lacks(self):
        assert weights_fingerprint(_model(torch.bfloat16)) != weights_fingerprint(_model(torch.float16))

    def test_order_of_a_config_does_not_matter(self):
        assert fingerprint({"a": 1, "b": {"c": 2, "d": 3}}) == fingerprint({"b": {"d": 3, "c": 2}, "a": 1})
        assert fingerprint({"a": 1}) != fingerprint({"a": 2})

    def test_files_count_by_their_content_where_settings_name_files(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        for name in ("kl", "masker.tar.gz"):
            (tmp_path / name).write_text("content")
        settings = {
            "divergence": "kl",
            "archive_file": ["masker.tar.gz"],
            "other": [{"archive_file": "absent"}],
        }
        seen = with_file_contents(settings)
        assert seen["divergence"] == "kl" and seen["other"] == settings["other"]
        assert seen["archive_file"] == [{"sha256": hashlib.sha256(b"content").hexdigest()}]


def test_provenance_has_the_seeds_of_the_config():
    provenance = build_provenance(_model(), {"random_seed": 3, "pytorch_seed": None, "model": {}})
    assert provenance["seeds"] == {"random_seed": 3, "numpy_seed": 1337, "pytorch_seed": None}
    assert set(provenance["versions"]) == {"allennlp_graphmask", "allennlp", "torch", "python"}


def test_seeds_that_the_config_leaves_to_allennlp():
    source = inspect.getsource(prepare_environment)
    for name, seed in build_provenance(_model(), {})["seeds"].items():
        assert f'"{name}", {seed}' in source


def test_provenance_without_a_config():
    provenance = build_provenance(_model())
    assert provenance["config_sha256"] is None and provenance["seeds"] == {}


@pytest.mark.parametrize(
    "value, plain",
    [
        (torch.tensor([[1, 2]]), [[1, 2]]),
        (torch.tensor(0.1), 0.1),
        (torch.tensor(True), True),
        (torch.zeros(1).numpy()[0], 0.0),
        ((None, "a"), [None, "a"]),
        ({1: 123456789.123}, {"1": 123457000.0}),
    ],
)
def test_plain_json(value, plain):
    assert to_plain_json(value) == plain
    assert type(to_plain_json(value)) is type(plain)
