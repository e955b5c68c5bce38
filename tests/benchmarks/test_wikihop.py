"""`benchmarks.wikihop` on a few questions."""

import gzip
import json
import lzma
import os
import subprocess
import sys
from pathlib import Path

import numpy
import pytest

from benchmarks.wikihop import split_questions
from tests.conftest import ROOT
from tests.training_config.test_configs import write_vectors

QUESTIONS = json.loads((ROOT / "fixtures" / "multihop_qa" / "questions.json").read_text())


def test_questions_about_one_subject_stay_together(tmp_path) -> None:
    questions = [{**QUESTIONS[0], "id": str(number), "subjects": [f"subject {number // 3}"]} for number in range(60)]
    train, selection = (json.loads(path.read_text()) for path in split_questions(questions, tmp_path))
    assert len(selection) == 6 and len(train) == 54
    subjects = [{tuple(one["subjects"]) for one in part} for part in (train, selection)]
    assert not subjects[0] & subjects[1] and len(subjects[0] | subjects[1]) == 20


def test_all_is_trained_and_measured(tmp_path) -> None:
    data = tmp_path / "data"
    (data / "qa_wikihop_format").mkdir(parents=True)
    (data / "vectors").mkdir()
    plain = Path(write_vectors(data / "plain.txt", 50)).read_bytes()
    (data / "vectors" / "glove.6B.50d.subset.txt.gz").write_bytes(gzip.compress(plain))
    answered = [one for one in QUESTIONS if one.get("answer") in one["candidates"]]
    questions = [{**one, "id": f"{one['id']}_{number}"} for number in range(8) for one in answered]
    for part in ("train", "dev"):
        with lzma.open(data / "qa_wikihop_format" / f"redocred_{part}.json.xz", "wt") as file:
            json.dump(questions, file)
    lines = tmp_path / "lines.jsonl"
    command = [sys.executable, "-m", "benchmarks.wikihop", "--seeds", "1", "--output", str(tmp_path / "runs")]
    environment = {**os.environ, "GRAPHMASK_DATA": str(data)}
    output = subprocess.run(
        [*command, "--json", str(lines)], cwd=ROOT, env=environment, check=True, capture_output=True, text=True
    ).stdout
    line, last = map(json.loads, lines.read_text().splitlines())
    assert line["questions"] == len(questions) and set(line["accuracy"]) == {"graph", "no_graph"}
    difference = 100 * numpy.subtract(*(line["accuracy"][name] for name in ("graph", "no_graph")))
    assert last["graph_against_no_graph"]["difference"] == pytest.approx(difference, abs=0.01)
    assert line["threshold_for_0.1"]["chosen"]["changed"] <= 0.1 and "| COMPLEMENT |" in output
