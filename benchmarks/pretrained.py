"""
Make an archive that comes with the package, and its model card, from training to file. Needs the environment variable
GRAPHMASK_DATA.

    python -m benchmarks.pretrained propbank-srl results/propbank-srl
    python -m benchmarks.pretrained multihop-qa results/multihop-qa

trains the model and GraphMask on it by `allennlp train`, measures them on development data, and writes the archive and the card into
`allennlp_graphmask/pretrained`. Runs that are finished are not repeated. The text of the cards beside the figures is in
`benchmarks/cards`; paths of this machine are taken out of the archive. The parser comes from `benchmarks/pretrained_parser.py`.
"""

import argparse
import gzip
import io
import json
import os
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any, Callable, Dict, NamedTuple, Optional, Sequence

import torch
from allennlp.common.plugins import import_plugins
from allennlp.models import load_archive

from allennlp_graphmask.explanation.files import write_atomically
from allennlp_graphmask.interpret.graphmask import GraphMask
from benchmarks.conll2009 import label_and_score
from benchmarks.paired import count_batches
from benchmarks.tables import machine
from benchmarks.training import collate_by_size, evaluate, train
from benchmarks.wikihop import load_questions, split_questions

FOLDER = Path(__file__).parents[1] / "allennlp_graphmask" / "pretrained"
CARDS = Path(__file__).parent / "cards"
CONFIGS = Path(__file__).parents[1] / "training_config"
ARCHIVE = "model.tar.gz"


def shipped_archive(archive_file: Path, paths: Dict[str, str]) -> bytes:
    """Copy an archive of GraphMask with names in the place of paths of this machine; equal archives give equal bytes."""

    def without_paths(text: str) -> str:
        for path, name in paths.items():
            text = text.replace(path, name)
        return text

    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(archive_file) as archive:
            archive.extractall(folder, filter="data")
        weights = torch.load(Path(folder) / "weights.th")
        weights["_extra_state"] = without_paths(weights["_extra_state"])
        torch.save(weights, Path(folder) / "weights.th")
        config = Path(folder) / "config.json"
        config.write_text(without_paths(config.read_text(encoding="utf-8")), encoding="utf-8")
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            for path in sorted(Path(folder).rglob("*")):
                if path.name == ".lock":
                    continue
                member = archive.gettarinfo(path, str(path.relative_to(folder)))
                member.mtime, member.uid, member.gid, member.uname, member.gname = 0, 0, 0, "", ""
                if path.is_file():
                    with open(path, "rb") as file:
                        archive.addfile(member, file)
                else:
                    archive.addfile(member)
    return gzip.compress(packed.getvalue(), 9, mtime=0)


def in_words(question: Dict[str, Any]) -> Dict[str, Any]:
    """Return a question of 2WikiMultihopQA as people asked it, instead of as relations and a subject."""
    subject = question["query"].split(" ", 1)[1]
    return {**question, "id": question["id"] + "_words", "query": question["meta"]["question"], "subjects": [subject]}


def prepare_questions(runs: Path) -> Dict[str, str]:
    """Write the training questions, those of 2WikiMultihopQA in both forms. Return where they are, as variables of the configs."""
    data = Path(os.environ["GRAPHMASK_DATA"]) / "qa_wikihop_format"
    two_wiki = load_questions(data / "2wiki_train.json.xz")
    questions = load_questions(data / "redocred_train.json.xz") + two_wiki + [in_words(one) for one in two_wiki]
    train_file, selection_file = split_questions(questions, runs)
    return {"WIKIHOP_TRAIN": str(train_file), "WIKIHOP_DEV": str(selection_file)}


def measure_roles(runs: Path, model: GraphMask) -> Dict[str, Any]:
    """Label the development part with given predicates and from raw text."""
    archive_file, summary = str(runs / "graphmask" / ARCHIVE), model.training_summary
    data = str(Path(os.environ["GRAPHMASK_DATA"]) / "propbank_ewt" / "ewt_dev.conll09.xz")
    given = label_and_score(archive_file, data, runs / "conll2009")
    raw = label_and_score(archive_file, data, runs / "conll2009_raw_text", raw_text=True)
    return {
        "predicates": given["predicates"]["gold"],
        "raw_text_predicates": raw["predicates"]["predicted"],
        "f1": summary["original_f1"],
        "f1_with_arguments": summary["original_f1_with_arguments"],
        "f1_and_senses": given["arguments_and_senses"]["f1"],
        "raw_text_f1": raw["arguments"]["f1"],
        "raw_text_f1_with_arguments": raw["arguments_of_predicates_with_arguments"]["f1"],
        "raw_text_precision": raw["arguments"]["precision"],
        "raw_text_recall": raw["arguments"]["recall"],
    }


def measure_answers(runs: Path, model: GraphMask) -> Dict[str, Any]:
    """Answer the development questions, which have chosen nothing."""
    data = Path(os.environ["GRAPHMASK_DATA"]) / "qa_wikihop_format"
    two_wiki = load_questions(data / "2wiki_dev.json.xz")
    reader = load_archive(str(runs / "graphmask" / ARCHIVE)).validation_dataset_reader
    figures: Dict[str, Any] = {}
    for name, questions in (
        ("redocred", load_questions(data / "redocred_dev.json.xz")),
        ("2wiki", two_wiki),
        ("2wiki_in_words", [in_words(one) for one in two_wiki]),
    ):
        path = runs / f"{name}.json"
        write_atomically(path, json.dumps(questions))
        batches = collate_by_size(list(reader.read(str(path))), model, 32)
        measured = evaluate(model, batches, random_draws=5)
        figures[f"{name}_questions"] = len(questions)
        # A question whose answer is not mentioned counts as not answered.
        figures[f"{name}_accuracy"] = float(count_batches(model.target, batches)[:, 0].sum()) / len(questions)
        figures.update({f"{name}_{key}": measured[key] for key in ("kept", "changed", "random_changed")})
    return figures


class Recipe(NamedTuple):
    """How an archive is made."""

    #: The folder of `pretrained.jsonnet` and `pretrained_graphmask.jsonnet`.
    configs: str
    #: Prepares data in the folder of the runs, and returns the variables of the configs.
    prepare: Callable[[Path], Dict[str, str]]
    measure: Callable[[Path, GraphMask], Dict[str, Any]]
    #: The sentence of the card.
    results: str


RECIPES = {
    "propbank-srl": Recipe(
        "propbank",
        lambda runs: {},
        measure_roles,
        "F1 {f1:.1%} of all marked predicates, {f1_with_arguments:.1%} of those with arguments, from raw text {raw_text_f1:.1%} of all. "
        "{kept:.1%} of the messages kept with {changed:.1%} of the predicates changed.",
    ),
    "multihop-qa": Recipe(
        "wikihop",
        prepare_questions,
        measure_answers,
        "Accuracy {redocred_accuracy:.1%} of {redocred_questions} development questions built from Re-DocRED, {2wiki_accuracy:.1%} of "
        "{2wiki_questions} of 2WikiMultihopQA given as relations and {2wiki_in_words_accuracy:.1%} of the same in words. "
        "{redocred_kept:.1%} of the messages kept with {redocred_changed:.1%} of the answers changed (Re-DocRED, single pass).",
    ),
}


def train_models(recipe: Recipe, runs: Path, seed: int, environment: Dict[str, str]) -> Dict[str, float]:
    """Train what is not there yet, and return the CPU seconds of each run."""
    target = {"GRAPHMASK_TARGET": str(runs / "model" / ARCHIVE)}
    return {
        name: train(str(CONFIGS / recipe.configs / config), runs / name, seed, {**environment, **variables})
        for name, config, variables in (
            ("model", "pretrained.jsonnet", {}),
            ("graphmask", "pretrained_graphmask.jsonnet", target),
        )
    }


def main(arguments: Optional[Sequence[str]] = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=sorted(RECIPES))
    parser.add_argument("runs", type=Path, help="folder of the training runs")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    import_plugins()
    recipe = RECIPES[options.name]
    variables = recipe.prepare(options.runs)
    seconds = train_models(recipe, options.runs, options.seed, variables)
    model = load_archive(str(options.runs / "graphmask" / ARCHIVE)).model
    assert isinstance(model, GraphMask)
    chosen = model.training_summary["threshold_choice"]
    figures = {
        **recipe.measure(options.runs, model),
        **{name: chosen[name] for name in ("kept", "changed", "max_changed", "threshold")},
        "seed": options.seed,
    }
    figures = {name: round(value, 5) if isinstance(value, float) else value for name, value in figures.items()}
    card = json.loads((CARDS / f"{options.name}.json").read_text(encoding="utf-8"))
    card["quantitative_analyses"] = {"unitary_results": recipe.results.format(**figures)}
    paths = {path: f"${name}" for name, path in variables.items()}
    paths.update({str(options.runs / "model" / ARCHIVE): ARCHIVE, os.environ["GRAPHMASK_DATA"]: "$GRAPHMASK_DATA"})
    content = shipped_archive(options.runs / "graphmask" / ARCHIVE, paths)
    write_atomically(FOLDER / f"{options.name}.tar.gz", content)
    write_atomically(
        FOLDER / f"{options.name}.json",
        json.dumps({"card": card, "figures": figures}, indent=2, ensure_ascii=False) + "\n",
    )
    sys.stdout.write(
        json.dumps({**figures, "bytes": len(content), "cpu_seconds": seconds, "machine": machine()}, indent=2) + "\n"
    )


if __name__ == "__main__":
    main()
