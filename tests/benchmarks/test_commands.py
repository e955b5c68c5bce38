"""The benchmarks as they are called, on the fixtures."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, Dict, List

import pytest
from allennlp.data import DatasetReader
from allennlp.predictors import Predictor

from allennlp_graphmask.explanation import read_explanations
from benchmarks import compare, corpus, factorised_path, fuzz, fuzz_targets, pretrained_parser, start_up
from tests.conftest import ROOT
from tests.explanation.explanations import role_explanation

DEMO = ROOT / "fixtures" / "propbank" / "demo.conll09"


def run(name: str, *arguments: object) -> str:
    """Run a benchmark in a process of its own. Return what it prints."""
    command = [sys.executable, "-m", f"benchmarks.{name}", *map(str, arguments)]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr[-3000:]
    return finished.stdout


def last_json(output: str) -> Any:
    return json.loads(output.splitlines()[-1])


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which `benchmarks.propbank` has trained the config `demo`, with what it printed."""
    folder = tmp_path_factory.mktemp("runs")
    arguments = ["--config", "demo", "--seeds", "1", "--output", folder, "--json", folder / "lines.jsonl"]
    (folder / "tables.md").write_text(run("propbank", *arguments))
    return folder


def test_propbank_reports_what_the_archives_give(runs: Path) -> None:
    [line] = map(json.loads, (runs / "lines.jsonl").read_text().splitlines())
    tables = (runs / "tables.md").read_text()
    metrics = json.loads((runs / "demo_1" / "metrics.json").read_text())
    found = line["as_trained"]
    assert found["original_f1"] == pytest.approx(metrics["best_validation_f1"])
    assert f"| 1 | {100 * found['original_f1']:.2f} | {100 * found['original_f1_with_arguments']:.2f} |" in tables
    assert 0 < found["kept"] < 1 and found["changed"] < found["random_changed"]
    assert line["threshold_for_0.1"]["changed"] <= 0.1
    assert line["halves_for_0.1"]["chosen_on_first_half"]["changed"] <= 0.1


def test_scores_of_files_in_columns_are_those_of_the_model(runs: Path, tmp_path: Path) -> None:
    archive = runs / "demo_1_graphmask" / "model.tar.gz"
    found = last_json(run("conll2009", archive, DEMO, "--output", tmp_path))
    assert found["arguments"]["f1"] == pytest.approx(found["model"]["f1"]) and found["model"]["f1"] > 0
    assert found["arguments_of_predicates_with_arguments"]["f1"] == pytest.approx(found["model"]["f1_with_arguments"])
    assert found["predicates"]["gold"] == found["predicates"]["predicted"]


def test_scores_of_raw_text(tmp_path: Path) -> None:
    found = last_json(run("conll2009", "pretrained:propbank-srl", DEMO, "--output", tmp_path, "--raw-text"))
    assert found["predicates"]["predicted"] > 0 and found["arguments"]["f1"] > 0 and "model" not in found
    words = [line.split("\t")[1] for line in DEMO.read_text().splitlines() if line]
    labelled = (tmp_path / "predicted.conll09").read_text().splitlines()
    assert [line.split("\t")[1] for line in labelled if line] == words


def test_analysis_explains_once_and_reports_all(runs: Path, tmp_path: Path) -> None:
    archives = f"demo={runs}/demo_?_graphmask/model.tar.gz"
    arguments = [archives, "--focus", "assigned", "--data", DEMO, "--output", tmp_path]
    run("analysis", *arguments)
    files = sorted(tmp_path.glob("*.jsonl"))
    assert [path.name for path in files] == ["demo_1_assigned_single.jsonl", "demo_1_assigned_verified.jsonl"]
    assert all(list(read_explanations(path)) for path in files)
    assert (tmp_path / "report" / "index.html").exists()
    times = [path.stat().st_mtime_ns for path in files]
    run("analysis", *arguments)
    assert [path.stat().st_mtime_ns for path in files] == times


def test_cost_of_output(runs: Path) -> None:
    archive = runs / "demo_1_graphmask" / "model.tar.gz"
    found = last_json(run("output_cost", archive, DEMO, "--max-instances", 5, "--rounds", 1))
    assert found["explanations"] == 5 and found["explained_per_cpu_second"] > 0
    assert set(found["megabytes"]) == {"json_lines", "parquet", "parquet_float16"}
    assert found["json_lines_over_size"]["json_lines"] == 1


def test_compare_has_a_row_for_each_interpreter(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    task = compare.Task(
        model="demo_{}",
        masker="demo_{}_graphmask",
        data="demo.conll09",
        graphmask_config="propbank/demo_graphmask.jsonnet",
        batch_size=4,
        max_instances=4,
        interpreters={"random": {}},
    )
    monkeypatch.setitem(compare.TASKS, "roles", task)
    monkeypatch.setenv("GRAPHMASK_DATA", str(DEMO.parent))
    monkeypatch.chdir(ROOT)
    arguments = ["roles", str(runs), "--seeds", "1", "--output", str(tmp_path), "--maskers", "0"]
    monkeypatch.setattr(sys, "argv", ["compare", *arguments])
    compare.main()
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    table = {line.split("|")[1].strip(): [cell.strip() for cell in line.split("|")[2:-1]] for line in lines}
    kept = {name: float(table[f"`{name}`"][0].split()[0]) for name in ("graphmask", "graphmask_ranked", "random")}
    # At the share that GraphMask keeps, to whole messages of four instances.
    assert kept["random"] == kept["graphmask_ranked"] == pytest.approx(kept["graphmask"], abs=2)


def test_questions_are_read() -> None:
    questions = ROOT / "fixtures" / "multihop_qa" / "questions.json"
    found = last_json(run("read_questions", questions, "--megabytes", "0.02"))
    assert found["questions"] == len(json.loads(questions.read_text())) and found["read_per_cpu_second"] > 0
    small, large = found["memory"]
    assert large["questions"] > 9 * small["questions"] > 0 and large["peak_megabytes"] >= large["peak_megabytes_before"]


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="measures memory as Linux reports it")
def test_two_ways_to_aggregate() -> None:
    output = run("factorised_path", "--situations", "graphmask", "--nodes", 4, "--rounds", 1)
    lines = [json.loads(line) for line in output.splitlines()]
    assert [(line["way"], line["nodes"], line["edges"]) for line in lines] == [("dense", 4, 12), ("edge_list", 4, 12)]
    assert all(line["cpu_seconds"] > 0 for line in lines)
    graph = factorised_path.complete_graph(5)
    pairs = {tuple(pair) for pair in graph.edge_index.t().tolist()}
    assert len(pairs) == graph.num_edges == 20 and all(source != target for source, target in pairs)


def test_start_up_compares_checkouts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "here.py").write_text("for _ in range(3_000_000): pass\n")
    monkeypatch.setattr(start_up, "COMMANDS", {"nothing": ["-c", ""], "here": ["-c", "import here"]})
    monkeypatch.setattr(start_up, "RATIOS", [("here", "nothing")])
    monkeypatch.setattr(start_up, "__file__", str(tmp_path / "benchmarks" / "start_up.py"))
    monkeypatch.setattr(sys, "argv", ["start_up", "--rounds", "1"])
    start_up.main()
    found = json.loads(capsys.readouterr().out)
    assert found["checkout"] == tmp_path.name and found["ratios"]["here/nothing"] > 1


def test_explanations_of_two_runs_are_compared(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("one.jsonl", "other.jsonl")]

    def write(path: Path, lines: List[Dict[str, Any]]) -> None:
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))

    lines = [json.loads(role_explanation().to_json_line())] * 2
    for path in paths:
        write(path, lines)
    found = corpus.compare(*paths)
    assert (found["explanations"], found["differing"], found["largest_difference"]) == (2, 0, 0)
    changed = json.loads(json.dumps(lines))
    changed[0]["edges"]["score"][0][0] += 0.25
    changed[1]["edges"]["kept"][0].pop()
    write(paths[1], changed)
    found = corpus.compare(*paths)
    assert found["differing"] == 1 and found["largest_difference"] == pytest.approx(0.25)
    assert found["off_by_more_than_1e-05"] == 1
    write(paths[1], lines[:1])
    assert corpus.compare(*paths)["differing"] == 1


def test_mutations_follow_from_the_seed_and_keep_the_limit() -> None:
    inputs = [b'{"a": [1, 2, {"b": "text"}]}', b"1\tword\t_\n2\tother\tA0\n", b"\xff\xfe", b'{"a": 1}\n{"a": 2}']

    def change_bytes(data: bytes, most: int) -> bytes:
        return bytes(reversed(data))[:most]

    for data in inputs:
        mutated = [fuzz.mutate(data, 30, seed, change_bytes) for seed in range(200)]
        assert mutated == [fuzz.mutate(data, 30, seed, change_bytes) for seed in range(200)]
        assert all(isinstance(one, bytes) and len(one) <= 30 for one in mutated)
        assert len(set(mutated)) > (1 if data == b"\xff\xfe" else 20) - 1


TARGETS: Dict[str, Callable[..., Any]] = {
    **dict.fromkeys(fuzz_targets.find_names(DatasetReader), fuzz_targets.build_reader),
    **dict.fromkeys(fuzz_targets.find_names(Predictor), fuzz_targets.build_predictor),
    "explanations": fuzz_targets.build_explanations,
}


@pytest.mark.parametrize("target", TARGETS)
def test_what_is_fuzzed_runs_its_first_inputs_and_refuses_others(target: str, tmp_path: Path) -> None:
    run_input, inputs = TARGETS[target](target, tmp_path)
    for data in [*inputs[:3], b"", b"\xff", b"{", b"[]"]:
        run_input(data)
    assert inputs


def test_documents_for_the_parser_have_the_trees_of_the_sentences() -> None:
    import spacy

    sentences = list(pretrained_parser.sentences(DEMO))[:3]
    found = pretrained_parser.document(spacy.blank("en").vocab, sentences)
    assert [token.text for token in found] == [word for sentence in sentences for word in sentence.words]
    first = 0
    for sentence, span in zip(sentences, found.sents, strict=True):
        assert span.start == first
        heads = [token.head.i - first for token in span]
        expected = [own if head == pretrained_parser.ROOT else head for own, head in enumerate(sentence.heads)]
        assert heads == expected and [token.lemma_ for token in span] == list(sentence.lemmas)
        first = span.end
