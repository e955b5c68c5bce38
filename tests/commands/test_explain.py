"""`allennlp explain`: what it writes and shows, by which interpreter."""

import dataclasses
import itertools
import json
import math
import os
from typing import Any, List

import pytest
import torch
from allennlp.commands.predict import _PredictManager
from allennlp.common.checks import ConfigurationError
from allennlp.models import load_archive
from allennlp.predictors import Predictor

from allennlp_graphmask.commands import explain as explain_module
from allennlp_graphmask.commands.explain import SOME_INPUTS_FAILED
from allennlp_graphmask.explanation import read_explanations, write_explanations
from allennlp_graphmask.focus import Focus
from allennlp_graphmask.interpret.interpreters import LeaveOneEdgeOut
from allennlp_graphmask.interpret.masked_model import MaskedModel
from allennlp_graphmask.models import GcnSemanticRoleLabeler
from allennlp_graphmask.views import render_html, render_text
from tests.commands.conftest import GRAPHS
from tests.commands.explaining import (
    Killed,
    explain,
    explained,
    explanations_in,
    killed_at,
    process,
    repeated,
    write_lines,
)
from tests.models.building import make_batch
from tests.predictors.inputs import TOKENS

# --- What comes out


def test_the_file_is_that_of_allennlp_predict(tmp_path, graphmask_archive_file, conll_file) -> None:
    outcome = explain(graphmask_archive_file, conll_file, "-o", tmp_path / "out.jsonl")
    # The third sentence has no predicate.
    assert (outcome.num_records, outcome.num_explanations, outcome.num_failures) == (3, 3, 0)
    predictor = Predictor.from_archive(load_archive(graphmask_archive_file))
    _PredictManager(predictor, conll_file, str(tmp_path / "predicted.jsonl"), 32, False, True).run()
    # Beside where each input is, which the command knows.
    written = [dataclasses.replace(found, input=None) for found in read_explanations(tmp_path / "out.jsonl")]
    write_explanations(tmp_path / "untraced.jsonl", written)
    assert (tmp_path / "untraced.jsonl").read_bytes() == (tmp_path / "predicted.jsonl").read_bytes()
    os.remove(tmp_path / "untraced.jsonl")
    assert sorted(os.listdir(tmp_path)) == ["out.jsonl", "predicted.jsonl"]


def test_nothing_is_written_by_a_model_with_a_weight_that_is_not_a_number(tmp_path, spoilt_archive_file) -> None:
    with pytest.raises(ConfigurationError, match=rf"{spoilt_archive_file}.*classifier\.bias\[1\] is nan"):
        explain(spoilt_archive_file, GRAPHS, "--interpreter", "gradient_x_message", "-o", tmp_path / "out.jsonl")
    assert not list(tmp_path.glob("out.jsonl*"))


def test_text_is_shown_where_no_file_is_asked_for(tmp_path, graphmask_archive_file, conll_file, capsys) -> None:
    explain(graphmask_archive_file, conll_file, "-o", tmp_path / "out.jsonl")
    quiet = capsys.readouterr()
    assert quiet.out == "" and "3 explanations of 3 inputs written to" in quiet.err
    separator = "\n" + "-" * 88 + "\n"
    expected = separator.join(map(render_text, explanations_in(tmp_path / "out.jsonl"))) + "\n"
    explain(graphmask_archive_file, conll_file)
    shown = capsys.readouterr()
    assert shown.out == expected and "[[sings]]" in expected
    assert "3 explanations of 3 inputs." in shown.err
    explain(graphmask_archive_file, conll_file, "-o", tmp_path / "both.jsonl", "--view", "text")
    assert capsys.readouterr().out == expected
    assert (tmp_path / "both.jsonl").read_bytes() == (tmp_path / "out.jsonl").read_bytes()


@pytest.mark.parametrize("is_empty", [True, False])
def test_predicates_without_roles_are_named(tmp_path, srl_archive_file, conll_file, monkeypatch, capsys, is_empty):
    get_foci = GcnSemanticRoleLabeler.get_foci

    def without_roles(*arguments: Any) -> List[Focus]:
        return [
            focus._replace(descriptions=[None] * len(focus.descriptions), nodes=torch.zeros_like(focus.nodes))
            for focus in get_foci(*arguments)
        ]

    if is_empty:
        monkeypatch.setattr(GcnSemanticRoleLabeler, "get_foci", without_roles)
    arguments = [srl_archive_file, conll_file, "--interpreter", "all_edges", "-o", tmp_path / "out", "--batch-size", 1]
    undo = killed_at(monkeypatch, 2, True)
    with pytest.raises(Killed):
        explain(*arguments)
    undo()
    capsys.readouterr()
    explain(*arguments)
    shown = capsys.readouterr().err.split("\n")
    lines = [line for line in shown if "Nothing to explain in 3 predictions" in line]
    assert "Nothing to explain in 1 input: sentence at line 13 (no predicate)." in shown
    assert len(lines) == is_empty and len(list(read_explanations(tmp_path / "out"))) == (0 if is_empty else 3)
    if is_empty:
        assert "sentence at line 1, sings: She sings ." in lines[0]


def test_small_batches_give_the_same(tmp_path, graphmask_archive_file, conll_file) -> None:
    large = explained(tmp_path / "a.jsonl", graphmask_archive_file, conll_file)
    small = explained(tmp_path / "b.jsonl", graphmask_archive_file, conll_file, "--batch-size", "1")
    for one, other in zip(large, small, strict=True):
        assert [edge.kept for edge in one.edges] == [edge.kept for edge in other.edges]
        assert one.metadata == other.metadata


def test_edges_that_are_dropped_are_left_out_on_demand(tmp_path, graphmask_archive_file, conll_file) -> None:
    few = ("--interpreter", json.dumps({"type": "gradient_x_message", "top_fraction": 0.2}))
    whole = explained(tmp_path / "whole.jsonl", graphmask_archive_file, conll_file, *few)
    pages = ("--kept-only", "--view", "html", "--view-dir", tmp_path / "pages")
    kept = explained(tmp_path / "kept.jsonl", graphmask_archive_file, conll_file, *few, *pages)
    assert kept == [one.kept_only() for one in whole] != whole
    assert "were not stored" in (tmp_path / "pages" / "0001.html").read_text(encoding="utf-8")


def test_a_raw_text(graphmask_archive_file, universal_pipeline, capsys) -> None:
    arguments = json.dumps({"spacy_model": universal_pipeline})
    explain(graphmask_archive_file, "--text", "Ann has seen the dog.", "--predictor-args", arguments)
    shown = capsys.readouterr()
    assert "Ann has [[seen]] the dog ." in shown.out
    assert "2 explanations of 1 input." in shown.err
    outcome = explain(graphmask_archive_file, "--text", "The dog.", "--predictor-args", arguments)
    shown = capsys.readouterr()
    assert shown.out == "" and "Nothing to explain in 1 input: the text (no predicate" in shown.err
    assert outcome.num_explanations == 0


def test_a_text_for_a_predictor_that_takes_none(graph_archive_file) -> None:
    with pytest.raises(ConfigurationError, match="--text.*GraphClassifierPredictor"):
        explain(graph_archive_file, "--text", "She sings.", "--interpreter", "random")


def test_a_run_that_keeps_nothing_is_told_so_once(graphmask_archive_file, conll_file, capsys) -> None:
    for threshold, times in ((2, 1), (-1, 0)):
        config = json.dumps({"type": "random", "threshold": threshold})
        explain(graphmask_archive_file, conll_file, "--interpreter", config, "--no-verify", "--focus", "all")
        assert capsys.readouterr().err.count("docs/choosing.md") == times


def test_a_masker_that_keeps_nothing_states_how_good_the_model_is_without(
    graphmask_archive_file, conll_file, capsys, monkeypatch
) -> None:
    def trained(*arguments, **options):
        archive = load_archive(*arguments, **options)
        archive.model.training_summary = {"original_f1": 0.75, "dropped_f1": 0.5}
        archive.model.threshold.fill_(1e9)
        return archive

    monkeypatch.setattr(explain_module, "load_archive", trained)
    explain(graphmask_archive_file, conll_file, "--no-verify", "--focus", "all")
    assert capsys.readouterr().err.count("f1 is 0.75, and without any message 0.50") == 1


# --- Pages


@pytest.mark.parametrize("with_lines", [False, True])
def test_html_pages(tmp_path, graphmask_archive_file, conll_file, capsys, with_lines) -> None:
    options = ["-o", tmp_path / "out.jsonl"] if with_lines else []
    explain(graphmask_archive_file, conll_file, "--view", "html", "--view-dir", tmp_path / "pages", *options)
    shown = capsys.readouterr()
    assert shown.out == "" and f"shown in {tmp_path / 'pages' / 'index.html'}" in shown.err
    assert sorted(os.listdir(tmp_path)) == (["out.jsonl"] if with_lines else []) + ["pages"]
    names = sorted(os.listdir(tmp_path / "pages"))
    assert len(names) == 4 and names[-1] == "index.html"
    index = (tmp_path / "pages" / "index.html").read_text()
    # Pages without a file have a choice of the roles.
    focus = [] if with_lines else ["--focus", "roles"]
    explanations = explained(tmp_path / "again.jsonl", graphmask_archive_file, conll_file, *focus)
    groups = [list(group) for _, group in itertools.groupby(explanations, lambda one: one.prediction["original"])]
    assert (len(explanations) > len(groups)) is not with_lines
    for name, group in zip(names, groups):
        assert f'href="{name}"' in index
        assert (tmp_path / "pages" / name).read_text() == render_html(*group)


def test_pages_of_an_interrupted_run_are_all_there(tmp_path, graphmask_archive_file, monkeypatch, capsys) -> None:
    file = repeated(tmp_path / "sentences.conll09", 2)
    options = ["--batch-size", "2", "-o", tmp_path / "out.jsonl"]
    undo = killed_at(monkeypatch, 2, True)
    with pytest.raises(Killed):
        explain(graphmask_archive_file, file, *options)
    undo()
    # Other views may be chosen.
    explain(graphmask_archive_file, file, *options, "--view", "html", "--view-dir", tmp_path / "pages")
    assert "Continuing after" in capsys.readouterr().err
    assert len(list((tmp_path / "pages").glob("*.html"))) == 7


def test_text_in_pages_is_text(tmp_path, graphmask_archive_file, conll_file) -> None:
    hostile = "<script>alert(1)</script>"
    tokens = {**TOKENS, "tokens": [hostile, *TOKENS["tokens"][1:]], "predicates": [3]}
    file = write_lines(tmp_path / "inputs.jsonl", [tokens])
    explain(graphmask_archive_file, file, "--view", "html", "--view-dir", tmp_path / "pages")
    for page in (tmp_path / "pages").iterdir():
        assert hostile not in (text := page.read_text()) and "&lt;script&gt;" in text


def test_a_folder_for_pages_that_is_none(tmp_path, graphmask_archive_file, conll_file) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="--view-dir.*file"):
        explain(graphmask_archive_file, conll_file, "--view", "html", "--view-dir", tmp_path / "file")


# --- Interpreters


def test_an_interpreter_of_a_plain_archive(tmp_path, srl_archive_file, conll_file) -> None:
    settings = json.dumps({"type": "leave_one_edge_out", "top_fraction": 0.25})
    found = explained(tmp_path / "out.jsonl", srl_archive_file, conll_file, "--interpreter", settings, "--no-verify")
    archive = load_archive(srl_archive_file)
    instances = list(archive.validation_dataset_reader.read(conll_file))
    masked_model = MaskedModel(archive.model.eval())
    predictor = Predictor.from_archive(archive)
    for instance, explanation in zip(instances, found, strict=True):
        batch = make_batch([instance], archive.model.vocab)
        attribution = LeaveOneEdgeOut(top_fraction=0.25).interpret(masked_model, batch)
        assert [edge.kept for edge in explanation.edges] == [tuple(edge.kept) for edge in attribution.edges()]
        for edge, expected in zip(explanation.edges, attribution.edges()):
            assert edge.score == pytest.approx(expected.scores, rel=1e-3, abs=1e-6)
        prediction = predictor.predict_instance(instance)["prediction"]
        original = explanation.prediction["original"]
        assert original["predicate"] == prediction["predicate"]
        roles, expected = ([item["role"] for item in one["arguments"]] for one in (original, prediction))
        assert roles == expected
        assert explanation.prediction["masked"] is not None and explanation.divergence is not None
        assert explanation.interpreter == {
            "name": "leave_one_edge_out",
            "settings": {"top_fraction": 0.25},
            "seed": 0,
            "divergence": "saturating_kl",
        }
        assert explanation.constraint is None
        assert explanation.provenance["seeds"]["random_seed"] == 13370


@pytest.mark.parametrize("name", ["gradient_x_message", "integrated_gradients", "leave_one_edge_out"])
@pytest.mark.parametrize("with_masker", [False, True])
def test_what_only_ranks_keeps_a_budget(
    tmp_path, graphmask_archive_file, srl_archive_file, conll_file, monkeypatch, capsys, name, with_masker
) -> None:
    load = explain_module.load_archive

    def trained(*arguments: Any, **options: Any) -> Any:
        archive = load(*arguments, **options)
        if with_masker:
            archive.model.training_summary = {"kept": 0.9, "threshold_choices": {"all": {"kept": 0.4}}}
        return archive

    monkeypatch.setattr(explain_module, "load_archive", trained)
    archive_file = graphmask_archive_file if with_masker else srl_archive_file
    options = ["--no-verify", "--focus", "all", "--interpreter"]
    found = explained(tmp_path / "out.jsonl", archive_file, conll_file, *options, name)
    fraction = 0.4 if with_masker else 0.2
    for explanation in found:
        kept = sum(sum(edge.kept) for edge in explanation.edges)
        assert kept == math.ceil(round(fraction * len(explanation.edges) * explanation.num_layers, 6))
        assert explanation.interpreter["settings"] == {"top_fraction": fraction}  # type: ignore[typeddict-item]
    assert f"{name} keeps the {100 * fraction:g} % of the messages" in capsys.readouterr().err
    # What is asked for goes first.
    config = json.dumps({"type": name, "threshold": -1})
    found = explained(tmp_path / "out.jsonl", archive_file, conll_file, *options, config)
    assert {explanation.kept_share() for explanation in found} == {1.0} and "budget" not in found[0].interpreter
    assert "highest scores" not in capsys.readouterr().err


def test_all_edges_change_nothing(tmp_path, graph_archive_file) -> None:
    found = explained(tmp_path / "out.jsonl", graph_archive_file, GRAPHS, "--interpreter", "all_edges")
    assert len(found) == len(GRAPHS.read_text().splitlines())
    for explanation in found:
        assert explanation.prediction["changed"] is False and explanation.kept_share() == 1
        assert explanation.prediction["original"]["label"] == explanation.prediction["masked"]["label"]
        assert explanation.divergence is not None and explanation.divergence["value"] < 1e-6


def test_a_masker_by_its_archive(tmp_path, graphmask_archive_file, srl_archive_file, conll_file) -> None:
    found = explained(tmp_path / "own.jsonl", graphmask_archive_file, conll_file)
    config = json.dumps({"type": "graphmask", "archive_file": graphmask_archive_file})
    by_name = explained(tmp_path / "named.jsonl", srl_archive_file, conll_file, "--interpreter", config)
    for own, named in zip(found, by_name, strict=True):
        assert own.edges == named.edges and own.constraint == named.constraint
        assert own.prediction == named.prediction and own.divergence == named.divergence
        assert own.provenance == named.provenance
    # Other decisions than those under which it was selected.
    (tmp_path / "share.jsonnet").write_text('{ type: "graphmask", top_fraction: 1 / 2 }')
    options = ("--interpreter", tmp_path / "share.jsonnet", "--focus", "all", "--no-verify")
    halves = explained(tmp_path / "share.jsonl", graphmask_archive_file, conll_file, *options)
    for own, half in zip(found, halves, strict=True):
        assert half.kept_share() == 0.5 and half.constraint is None and half.verification is None
        assert half.focus["name"] == "all" and own.focus["name"] == "assigned"


def test_a_masker_of_another_model(graphmask_archive_file, srl_archive_file, conll_file, monkeypatch) -> None:
    load = explain_module.load_archive

    def other(*arguments: Any, **options: Any) -> Any:
        archive = load(*arguments, **options)
        with torch.no_grad():
            next(archive.model.parameters()).add_(1)
        return archive

    monkeypatch.setattr(explain_module, "load_archive", other)
    config = json.dumps({"type": "graphmask", "archive_file": graphmask_archive_file})
    with pytest.raises(ConfigurationError, match=graphmask_archive_file):
        explain(srl_archive_file, conll_file, "--interpreter", config)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--interpreter", "gradients"], "--interpreter.*'gradients'.*all_edges"),
        (["--interpreter", '{"top_fraction": 1}'], "--interpreter.*None.*all_edges"),
        (["--interpreter", '{"type"'], "--interpreter.*type"),
        (["--interpreter", "nowhere.jsonnet"], "--interpreter.*'nowhere.jsonnet'"),
        (["--interpreter", '{"type": "random", "shares": 1}'], "shares"),
        (["--interpreter", '{"type": "random", "share": 1}'], "'share'.*'top_fraction'"),
        (["--interpreter", "graphmask"], '"archive_file"'),
        ([], "GcnSemanticRoleLabeler.*all_edges"),
        (["--batch-size", "0"], "--batch-size is 0"),
        (["--view", "html"], "--view-dir"),
        (["--view-dir", "pages"], "--view-dir"),
        (["--text", "She sings."], "both"),
        (["--predictor-args", "spacy"], "--predictor-args 'spacy'"),
        (["--predictor-args", "[]"], r"--predictor-args '\[\]'"),
        (["--interpreter", "random", "--predictor-args", '{"spacy_modle": "x"}'], "spacy_modle"),
        (["--interpreter", "random", "--encoder", "bert"], "'bert'"),
        (["--interpreter", "random", "-o", "nowhere/out.jsonl"], "'nowhere'"),
        (["--interpreter", "random", "-o", "."], "'.'"),
    ],
)
def test_bad_arguments(arguments, message, srl_archive_file, conll_file, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError, match=message):
        explain(srl_archive_file, conll_file, *arguments)
    assert os.listdir(tmp_path) == []


def test_neither_input_nor_text_and_no_archive(srl_archive_file, conll_file) -> None:
    with pytest.raises(ConfigurationError, match="INPUT.*--text"):
        explain(srl_archive_file)
    with pytest.raises(ConfigurationError, match="'nowhere.tar.gz'"):
        explain("nowhere.tar.gz", conll_file)


def test_from_an_empty_folder(tmp_path, graphmask_archive_file) -> None:
    os.symlink(graphmask_archive_file, tmp_path / "model.tar.gz")
    write_lines(tmp_path / "inputs.jsonl", [TOKENS, b"bad", TOKENS])
    running = process(tmp_path, "model.tar.gz", "inputs.jsonl", "-o", "out.jsonl", "--view", "text")
    output, _ = running.communicate(timeout=300)
    assert running.returncode == SOME_INPUTS_FAILED, output
    assert "6 explanations of 3 inputs written to out.jsonl." in output
    assert "The dog has [[seen]] Ann sing" in output
    assert "Not explained: inputs.jsonl, line 2: " in output
    assert sorted(os.listdir(tmp_path)) == ["inputs.jsonl", "model.tar.gz", "out.jsonl"]
