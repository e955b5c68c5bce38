"""`allennlp explain --budget` and `--allowance`: how many messages are kept, without training again."""

import math

import pytest
from allennlp.common.checks import ConfigurationError

from allennlp_graphmask.commands import explain as explain_module
from tests.commands.explaining import explained

OPTIONS = ("--no-verify", "--focus", "all")
#: Thresholds of a validation, from all messages to none.
CURVE = [
    {"threshold": threshold, "kept": kept, "changed": changed}
    for threshold, kept, changed in [(-50.0, 1.0, 0.0), (2.5, 0.6, 0.02), (3.2, 0.3, 0.1), (50.0, 0.0, 0.4)]
]


@pytest.fixture
def with_curve(monkeypatch) -> None:
    load = explain_module.load_archive

    def load_with_curve(*arguments, **options):
        archive = load(*arguments, **options)
        archive.model.training_summary = {"threshold_curves": {"all": CURVE}}
        return archive

    monkeypatch.setattr(explain_module, "load_archive", load_with_curve)


@pytest.mark.parametrize("interpreter", [(), ("--interpreter", "gradient_x_message")])
@pytest.mark.parametrize("budget", [0.0, 0.25, 1.0])
def test_a_budget_is_a_share_of_each_prediction(
    interpreter, budget, tmp_path, graphmask_archive_file, conll_file
) -> None:
    options = (*OPTIONS, *interpreter, "--budget", budget)
    for explanation in explained(tmp_path / "out.jsonl", graphmask_archive_file, conll_file, *options):
        kept = sum(sum(edge.kept) for edge in explanation.edges)
        assert kept == math.ceil(budget * explanation.num_layers * len(explanation.edges))
        assert explanation.interpreter["settings"]["top_fraction"] == budget


@pytest.mark.parametrize(
    "allowance, threshold", [(0.0, -50.0), (0.019, -50.0), (0.02, 2.5), (0.1, 3.2), (0.39, 3.2), (1.0, 50.0)]
)
def test_an_allowance_is_looked_up(
    allowance, threshold, with_curve, tmp_path, graphmask_archive_file, conll_file
) -> None:
    options = (*OPTIONS, "--allowance", allowance)
    [found, *_] = explained(tmp_path / "out.jsonl", graphmask_archive_file, conll_file, *options)
    assert found.interpreter["threshold"] == threshold and found.interpreter["settings"] == {"allowance": allowance}
    by_threshold = ("--interpreter", f'{{"type": "graphmask", "threshold": {1 / (1 + math.exp(3.0 - threshold))}}}')
    [expected, *_] = explained(tmp_path / "other.jsonl", graphmask_archive_file, conll_file, *OPTIONS, *by_threshold)
    assert [edge.kept for edge in found.edges] == [edge.kept for edge in expected.edges]


@pytest.mark.parametrize(
    "options, named",
    [
        (("--budget", 20), "--budget is 20.*0.2"),
        (("--allowance", -0.1), "--allowance is -0.1"),
        (("--budget", 0.1, "--allowance", 0.1), "--budget and --allowance"),
        (("--allowance", 0.1, "--interpreter", "random"), "random.*--budget"),
        (("--allowance", 0.1), "'all'.*max_changed"),
    ],
)
def test_mistakes(options, named, tmp_path, graphmask_archive_file, conll_file) -> None:
    with pytest.raises(ConfigurationError, match=named):
        explained(tmp_path / "out.jsonl", graphmask_archive_file, conll_file, *OPTIONS, *options)
