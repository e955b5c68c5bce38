"""What a user's mistakes give: exit status 2 and a few lines that name what is wrong, where, and what to do."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any, Callable, Dict, List

import allennlp.commands
import pytest
from allennlp.commands.evaluate import evaluate_from_archive
from allennlp.common import Params

from allennlp_graphmask.explanation import write_explanations
from allennlp_graphmask.pretrained import pretrained_archive
from allennlp_graphmask_compat.mistakes import STATUS
from tests.explanation.explanations import role_explanation
from tests.predictors.inputs import CONLL
from tests.report.random_explanations import explanations

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = Path(__file__).with_name("forked_commands.py")
MAX_LINES = 6

DEMO_DATA = ROOT / "fixtures" / "propbank" / "demo.conll09"
DEMO = ROOT / "training_config" / "propbank" / "demo.jsonnet"

EXPLAIN = "explain model.tar.gz demo.conll09"
PREDICT = "predict model.tar.gz"
COMPARE = "compare-interpreters model.tar.gz demo.conll09 -o results"
TRAIN = "train demo.json -s run_{number}"

#: A command, and what is named. A variable before the command is set for it; all that configs read are unset otherwise.
MISTAKES: Dict[str, List[str]] = {
    "explain nix.tar.gz demo.conll09": ["nix.tar.gz", "model.tar.gz"],
    "explain text.txt demo.conll09": ["text.txt", "model.tar.gz"],
    "explain pretrained:propbank-slr demo.conll09": ["pretrained:propbank-slr", "pretrained:propbank-srl"],
    "explain model.tar.gz nix.conll09": ["nix.conll09"],
    "explain model.tar.gz": ["INPUT", "--text"],
    f"{EXPLAIN} --text Hello.": ["INPUT", "--text"],
    f"{EXPLAIN} --view html": ["--view-dir"],
    f"{EXPLAIN} --view html --view-dir text.txt": ["--view-dir", "text.txt"],
    f"{EXPLAIN} -o nowhere/out.jsonl": ["nowhere", "out.jsonl"],
    f"{EXPLAIN} -o training_config": ["training_config", "folder"],
    f"{EXPLAIN} --interpreter gradient_x_mesage": ["gradient_x_mesage", "Did you mean 'gradient_x_message'"],
    f"{EXPLAIN} --interpreter '{{type: random}}'": ["--interpreter", "JSON"],
    f"{EXPLAIN} --interpreter nix.json": ["--interpreter", "nix.json"],
    f"{EXPLAIN} --interpreter broken.jsonnet": ["broken.jsonnet:2:5"],
    f"{EXPLAIN} --no-verify --max-divergence 0.1": ["--no-verify", "--max-divergence"],
    f"{EXPLAIN} --batch-size 0": ["--batch-size", "0"],
    f"{EXPLAIN} --batch-size many": ["--batch-size", "many"],
    f"{EXPLAIN} --predictor-args nothing": ["--predictor-args", "nothing"],
    f"{EXPLAIN} --cuda-device 99": ["GPU 99", "--cuda-device"],
    f"{EXPLAIN} --include-package my_packige": ["--include-package", "my_packige"],
    f"{EXPLAIN} --focus nothing": ["nothing", "assigned"],
    "explain model.tar.gz broken.jsonl": ["broken.jsonl", "line 1"],
    "explain-corpus model.tar.gz nix.conll09 -o corpus": ["INPUT", "nix.conll09"],
    "explain-corpus model.tar.gz demo.conll09 -o corpus --batch-size 0": ["--batch-size", "0"],
    f"{PREDICT} nix.jsonl": ["nix.jsonl"],
    f"{PREDICT} broken.jsonl": ["broken.jsonl, input 1", "{not json"],
    f"{PREDICT} latin_1.jsonl": ["latin_1.jsonl, line 3", "0xe9"],
    f"{PREDICT} other_keys.jsonl": ["other_keys.jsonl, input 1", "'word'", '"sentence"'],
    f"{PREDICT} other_keys.jsonl --predictor graphmsak": ["graphmsak", "did you mean 'graphmask'"],
    f"{PREDICT} demo.conll09 --use-dataset-reader --output-file nowhere/out.jsonl": ["nowhere/out.jsonl"],
    f"{PREDICT} demo.conll09 --overrides {{a": ["overrides", "{a"],
    f"{PREDICT} demo.conll09 --cuda-device 99": ["GPU 99", "--cuda-device"],
    "predict text.txt demo.conll09": ["text.txt", "model.tar.gz"],
    "evaluate text.txt demo.conll09": ["text.txt", "model.tar.gz"],
    "evaluate model.tar.gz nix.conll09": ["nix.conll09"],
    "evaluate model.tar.gz text.txt": ["text.txt, line 1"],
    "evaluate model.tar.gz demo.conll09 --cuda-device 99": ["GPU 99", "--cuda-device"],
    f"{COMPARE} --cuda-device 99": ["GPU 99", "--cuda-device"],
    f"{COMPARE} --interpreters gradient_x_mesage": ["gradient_x_mesage", "did you mean 'gradient_x_message'"],
    f"{COMPARE} --metrics edge_fidelty": ["edge_fidelty", "Did you mean 'edge_fidelity'"],
    f"{COMPARE} --metrics nix.json": ["--metrics", "nix.json"],
    f"{COMPARE} --allowances few": ["--allowances", "few"],
    "compare-interpreters model.tar.gz demo.conll09 -o text.txt": ["text.txt", "folder"],
    "compare-interpreters model.tar.gz nix.conll09 -o results": ["nix.conll09"],
    "explain-report nix.jsonl -o report": ["nix.jsonl", "[NAME=]FILE"],
    "explain-report small=nix.jsonl -o report": ["nix.jsonl"],
    "explain-report text.txt -o report": ["text.txt, line 1", "explain -o"],
    "explain-report roles.jsonl broken.jsonl -o report": ["broken.jsonl, line 1"],
    "explain-report nothing.jsonl -o report": ["nothing.jsonl", "no explanations"],
    "explain-report roles.jsonl small=roles.jsonl -o report": ["roles.jsonl", "twice"],
    "explain-report roles.jsonl questions.jsonl -o report": ["questions.jsonl, explanation 1", "semantic roles"],
    "explain-report kept_only.jsonl -o report": ["kept_only.jsonl, explanation 1", "--kept-only"],
    "explain-report training_config -o report": ["training_config", "explain-corpus"],
    "explain-report roles.jsonl -o training_config": ["training_config", ".jsonnet"],
    "explain-report roles.jsonl -o text.txt": ["text.txt", "folder"],
    "graphmask-init text.txt": ["text.txt", "folder"],
    "train nix.jsonnet -s run": ["nix.jsonnet"],
    "train text.txt -s run": ["text.txt:1:"],
    "train list.jsonnet -s run": ["list.jsonnet", "{...}"],
    "train broken.jsonnet -s run": ["broken.jsonnet:2:5"],
    "train variable.jsonnet -s run": ["variable.jsonnet, line 2", "export MY_FILE=", "train_data_path: std.extVar"],
    "train training_config/propbank/small.jsonnet -s run": [
        "small.libsonnet, line 4",
        "export GRAPHMASK_DATA=",
        "glove",
    ],
    "train training_config/propbank/demo_graphmask.jsonnet -s run": ["export GRAPHMASK_TARGET=", "model.tar.gz"],
    "GRAPHMASK_DATA=. train training_config/wikihop/small.jsonnet -s run": [
        "export WIKIHOP_TRAIN=",
        "WikiHop's format",
    ],
    "GRAPHMASK_TARGET=nix.tar.gz train training_config/propbank/demo_graphmask.jsonnet -s run_target": [
        "nix.tar.gz",
        "GRAPHMASK_TARGET",
    ],
    "GRAPHMASK_TARGET=fixtures train training_config/propbank/demo_graphmask.jsonnet -s run_target": [
        "'fixtures'",
        "GRAPHMASK_TARGET",
    ],
    "GRAPHMASK_TARGET= train training_config/propbank/demo_graphmask.jsonnet -s run_target": [
        "model.tar.gz",
        "GRAPHMASK_TARGET",
    ],
    "train demo.json -s text.txt": ["text.txt"],
    "train demo.json -s training_config": ["training_config", "--recover"],
    TRAIN + """ -o '{"dataset_reader.type": "conll2009-srl"}'""": [
        "dataset_reader.type",
        "Did you mean 'conll2009_srl'",
    ],
    TRAIN + """ -o '{"model.type": "gnc_srl"}'""": ["model.type", "gnc_srl", "Did you mean 'gcn_srl'"],
    TRAIN + """ -o '{"trainer.optimizer.type": "adma"}'""": ["trainer.optimizer.type", "Did you mean 'adam'"],
    TRAIN + """ -o '{"model.dropuot": 0.1}'""": ["dropuot", "dropout"],
    TRAIN + """ -o '{"trainer.num_epoch": 1}'""": ["trainer.num_epoch", "Did you mean 'num_epochs'"],
    TRAIN + """ -o '{"modle.dropout": 0.1}'""": ["overrides", "modle.dropout"],
    TRAIN + """ -o '{"model.dropout": "high"}'""": ["dropout", "high", "numeric"],
    TRAIN + """ -o '{"trainer.cuda_device": 99}'""": ["GPU 99", "trainer.cuda_device"],
    TRAIN + """ -o '{"train_data_path": "nix.conll09"}'""": ["nix.conll09"],
    "find-lr nix.jsonnet -s run": ["nix.jsonnet"],
    "build-vocab demo.json vocabulary": ["output_path", ".tar.gz"],
    "count-instances nix.jsonnet": ["nix.jsonnet"],
    "print-results training_config": ["training_config", "metrics.json"],
    "diff nix.tar.gz nix.tar.gz": ["nix.tar.gz"],
    "explian": ["explian", "explain"],
}

IN_WORKERS = """ -o '{"model.dropuot": 0.1, "distributed": {"cuda_devices": [-1, -1]}}'"""
WHILE_TRAINING = """ -o '{"trainer.validation_metric": "+nix"}'"""

#: Commands that work, but for the last ones.
PARSED = "pretrained:propbank-srl fixtures/propbank/demo.conll09"
RUNS = {
    "explain": f"explain {PARSED}",
    "predict": f"predict {PARSED} --use-dataset-reader --silent",
    "evaluate": f"evaluate {PARSED} --output-file metrics.json",
    "compare": f"compare-interpreters {PARSED} -o results --interpreters graphmask --metrics kept --bootstrap-draws 10",
    "results": "print-results results_of_trainings -m m.json",
    "in workers": f"train demo.json -s in_workers {IN_WORKERS}",
    "while training": f"train demo.json -s while_training {WHILE_TRAINING}",
    "--loud": "explain model.tar.gz nix.conll09 --debug",
    "--debug": "explain nix.tar.gz demo.conll09 --debug",
    "ALLENNLP_DEBUG": "ALLENNLP_DEBUG=1 explain nix.tar.gz demo.conll09",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: Any, graphmask_archive_file: str) -> Path:
    folder = tmp_path_factory.mktemp("user")
    shutil.copytree(ROOT / "training_config", folder / "training_config")
    shutil.copytree(ROOT / "fixtures" / "propbank", folder / "fixtures" / "propbank")
    shutil.copy(graphmask_archive_file, folder / "model.tar.gz")
    for name, content in {
        "demo.conll09": CONLL,
        "text.txt": "The dog barks.\n",
        "broken.jsonl": "{not json\n",
        "latin_1.jsonl": "{}\n\n" + '{"sentence": "caf\xe9"}\n',
        "other_keys.jsonl": '{"word": "dog"}\n',
        "broken.jsonnet": "{ a: 1,\n b: }\n",
        "list.jsonnet": "[1]\n",
        "variable.jsonnet": "{\n  train_data_path: std.extVar('MY_FILE'),\n}\n",
    }.items():
        (folder / name).write_text(content, encoding="latin-1")
    (folder / "nothing.jsonl").write_text("\n")
    for task in ("roles", "questions"):
        write_explanations(folder / f"{task}.jsonl", explanations(task, 3))
    write_explanations(folder / "kept_only.jsonl", [role_explanation().kept_only()])
    for name, metrics in (("a", {"f1": 0.5}), ("b", {"kept": 0.25, "f1": 0.75})):
        (folder / "results_of_trainings" / name).mkdir(parents=True)
        (folder / "results_of_trainings" / name / "m.json").write_text(json.dumps(metrics))
    config = Params.from_file(DEMO).as_dict(quiet=True)
    (folder / "demo.json").write_text(json.dumps({**config, "train_data_path": config["validation_data_path"]}))
    return folder


def unset_variables() -> Dict[str, str]:
    names = ("GRAPHMASK_", "WIKIHOP_", "ALLENNLP_DEBUG", "ALLENNLP_LOG_LEVEL")
    return {name: value for name, value in os.environ.items() if not name.startswith(names)}


@pytest.fixture(scope="module")
def finished(folder: Path) -> Callable[[str], Dict[str, Any]]:
    """All commands by one process, of which each has a copy."""
    commands = [*MISTAKES, *RUNS.values()]
    lines = []
    for number, command in enumerate(commands):
        words = shlex.split(command.replace("{number}", str(number)))
        variables = [words.pop(0).split("=")] if "=" in words[0] else []
        lines.append(json.dumps({"arguments": words, "environment": dict(variables)}))
    printed = subprocess.run(
        [sys.executable, str(SCRIPT)],
        input="\n".join(lines),
        stdout=subprocess.PIPE,
        text=True,
        cwd=folder,
        env={**unset_variables(), "OMP_NUM_THREADS": "1"},
        check=True,
    )
    by_command = dict(zip(commands, map(json.loads, printed.stdout.splitlines()), strict=True))
    return by_command.__getitem__


def lines_of(text: str) -> List[str]:
    return [line for line in text.split("\n") if line.strip()]


@pytest.mark.parametrize("command", MISTAKES)
def test_a_mistake(command, finished) -> None:
    end = finished(command)
    message = end["stderr"]
    assert end["status"] == STATUS, message
    assert message.startswith("usage: ") or len(lines_of(message)) <= MAX_LINES, message
    assert "Traceback" not in message
    assert "error: " in message
    for named in MISTAKES[command]:
        assert named in message


@pytest.mark.parametrize(
    "command",
    [
        "explain text.txt demo.conll09",
        "train training_config/propbank/small.jsonnet -s run",
        f"{EXPLAIN} --batch-size many",
    ],
)
def test_a_process_of_its_own_ends_in_the_same_way(command, folder, finished) -> None:
    script = Path(sys.executable).with_name("allennlp")
    alone = subprocess.run(
        [script, *shlex.split(command)], cwd=folder, env=unset_variables(), capture_output=True, text=True, check=False
    )
    assert (alone.returncode, alone.stderr) == (STATUS, finished(command)["stderr"])


def test_the_console_script_calls_the_function_that_reports(monkeypatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    (script,) = metadata.entry_points(group="console_scripts", name="allennlp")
    run, called = script.load(), []
    reporting = allennlp.commands.main
    assert reporting.__module__ == "allennlp.commands" and hasattr(reporting, "__wrapped__")
    monkeypatch.setattr(allennlp.commands, "main", lambda prog: called.append(prog))
    monkeypatch.setattr("allennlp.common.util.install_sigterm_handler", lambda: None)
    run()
    assert called == ["allennlp"] and run.__globals__["__file__"] == allennlp.__main__.__file__


@pytest.mark.parametrize("switch", ["--debug", "ALLENNLP_DEBUG"])
def test_the_traceback_is_there_for_those_who_want_it(switch, finished) -> None:
    end = finished(RUNS[switch])
    message = finished("explain nix.tar.gz demo.conll09")["stderr"]
    assert end["status"] == STATUS
    assert "Traceback" in end["stderr"] and end["stderr"].endswith(message)


def test_a_training_that_has_not_started_leaves_no_folder(folder, finished) -> None:
    for number, command in enumerate(MISTAKES):
        if command.startswith(TRAIN):
            assert finished(command)["status"] == STATUS and not (folder / f"run_{number}").exists()


def test_the_log_of_a_training_that_has_started_has_the_traceback(folder, finished) -> None:
    assert finished(RUNS["while training"])["status"] == STATUS
    log = (folder / "while_training" / "out.log").read_text()
    assert "nix" in log and "Traceback" in log and " - INFO - " in log


def test_a_mistake_that_workers_find_is_one_message(folder, finished) -> None:
    end = finished(RUNS["in workers"])
    assert end["status"] == STATUS and "Traceback" not in end["stdout"] + end["stderr"]
    messages = [line for line in lines_of(end["stderr"]) if line.startswith("error: ")]
    assert len(messages) == 1 and "dropuot" in messages[0] and "word_dropout" in messages[0]
    assert not (folder / "in_workers").exists()


def test_all_results_are_printed_without_a_choice(finished) -> None:
    end = finished(RUNS["results"])
    assert lines_of(end["stdout"]) == [
        "model_run, f1, kept",
        "results_of_trainings/a/m.json, 0.5, N/A",
        "results_of_trainings/b/m.json, 0.75, 0.25",
    ]


def test_loading_is_quiet(finished) -> None:
    for name in ("explain", "predict", "evaluate", "compare"):
        end = finished(RUNS[name])
        assert end["status"] == 0, end["stderr"]
        loggers = {line.split(" - ")[2] for line in lines_of(end["stderr"]) if " - INFO - " in line}
        assert loggers == ({"allennlp.commands.evaluate"} if name == "evaluate" else set())
    assert " - INFO - " in finished(RUNS["--loud"])["stderr"]


def test_a_name_of_an_archive_is_as_good_as_its_path(folder, finished) -> None:
    assert finished(RUNS["evaluate"])["status"] == finished(RUNS["compare"])["status"] == 0
    by_path = evaluate_from_archive(pretrained_archive("propbank-srl"), str(DEMO_DATA))
    assert json.loads((folder / "metrics.json").read_text()) == pytest.approx(json.loads(json.dumps(by_path)))
    results = json.loads((folder / "results" / "results.json").read_text())
    assert results["provenance"]["archive"] == "pretrained:propbank-srl"
