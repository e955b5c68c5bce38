"""
What `benchmarks.fuzz` fuzzes: each target runs an input, and has first inputs. Nothing is imported before it can be instrumented.
"""

import dataclasses
import json
from itertools import islice
from pathlib import Path
from typing import Any, Callable, Dict, List, Tuple

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"

#: Runs an input. Anything but a refusal in order is raised.
Run = Callable[[bytes], None]


def find_names(base: Any) -> List[str]:
    """Find what this package has registered."""
    names = base.list_available()
    return [name for name in names if base.by_name(name).__module__.startswith("allennlp_graphmask.")]


def build_reader(name: str, folder: Path) -> Tuple[Run, List[bytes]]:
    from allennlp.common.checks import ConfigurationError
    from allennlp.data import DatasetReader

    from tests.data.readers import READERS, build_content, write_content

    [(key, reader)] = [(key, one) for key, (one, _) in READERS.items() if type(one) is DatasetReader.by_name(name)]

    def run(data: bytes) -> None:
        path = write_content(key, data, folder)
        try:
            for record in reader.records(path):
                try:
                    for instance in record.instances():
                        reader.apply_token_indexers(instance)
                except ConfigurationError as error:
                    assert path in error.message, "the error does not name the file"
        except ConfigurationError as error:
            assert path in error.message, "the error does not name the file"

    files = {"questions": "multihop_qa/questions.json", "paragraphs": "multihop_qa/paragraphs.json"}
    inputs = [build_content(key, ["Ada", "b"]), *([(FIXTURES / files[key]).read_bytes()] if key in files else [])]
    records = {
        "graphs": ("graph_jsonl/dev.jsonl", b"\n"),
        "propositions": ("universal_propositions/sentences.conllu", b"\n\n"),
        "sentences": ("propbank/dev.conll09", b"\n\n"),
    }
    if key in records:
        name, separator = records[key]
        inputs += (FIXTURES / name).read_bytes().split(separator)[:30]
    return run, inputs


def build_pipeline() -> Any:
    import spacy

    pipeline = spacy.blank("en")
    patterns = [{"label": "NAME", "pattern": name} for name in ("Ostby", "Norlund", "Tern Lighthouse", "Ada")]
    pipeline.add_pipe("entity_ruler").add_patterns(patterns)  # type: ignore[attr-defined]
    return pipeline


def build_predictor(name: str, folder: Path) -> Tuple[Run, List[bytes]]:
    """Models need not be trained for this."""
    from allennlp.common import Params
    from allennlp.common.checks import ConfigurationError
    from allennlp.data import DatasetReader, Vocabulary
    from allennlp.models import Model, load_archive
    from allennlp.predictors import Predictor

    from allennlp_graphmask.interpret.graphmask import GraphMask
    from allennlp_graphmask.pretrained import pretrained_archive
    from tests.conftest import QA_CONFIG
    from tests.predictors.inputs import INPUTS, QUERIES, QUESTION

    graphs = str(FIXTURES / "graph_jsonl" / "dev.jsonl")
    arguments: Dict[str, Any] = {}
    inputs: Any = INPUTS
    if name in ("graphmask", "graph_srl"):
        archive = load_archive(pretrained_archive("propbank-srl"))
        reader = archive.validation_dataset_reader
        assert isinstance(archive.model, GraphMask)
        model: Model = archive.model if name == "graphmask" else archive.model.target
    elif name in ("graph_qa", "graph_classifier"):
        is_qa = name == "graph_qa"
        config = FIXTURES.parent / "training_config" / "graph_classification" / "small.jsonnet"
        variables = {"GRAPH_TRAIN": graphs, "GRAPH_DEV": graphs}
        params = (
            Params(json.loads(json.dumps(QA_CONFIG))) if is_qa else Params.from_file(str(config), ext_vars=variables)
        )
        reader = DatasetReader.from_params(params["dataset_reader"])
        data = str(FIXTURES / "multihop_qa" / "questions.json") if is_qa else graphs
        model = Model.from_params(params["model"], vocab=Vocabulary.from_instances(reader.read(data)))
        inputs = [*QUERIES, QUESTION, {key: QUESTION[key] for key in ("question", "paragraphs")}]
        if is_qa:
            build_pipeline().to_disk(folder / "pipeline")
            arguments["spacy_model"] = str(folder / "pipeline")
        else:
            inputs = [json.loads(line) for line in islice(open(graphs), 20)]
    else:
        raise ValueError(f"add a model for the predictor '{name}' here")
    predictor = Predictor.by_name(name)(model, reader, **arguments)

    def run(data: bytes) -> None:
        try:
            predictor.dump_line(predictor.predict_json(predictor.load_line(data.decode("utf-8", "replace"))))
        except ConfigurationError as error:
            assert error.message

    return run, [json.dumps(one).encode() for one in inputs]


def build_explanations(name: str, folder: Path) -> Tuple[Run, List[bytes]]:
    from allennlp_graphmask.explanation import ExplanationFormatError, read_explanations, write_explanations
    from allennlp_graphmask.views import View, render_html, render_text
    from tests.explanation.explanations import version_3
    from tests.views.explanations import ALL

    path = folder / "explanations.jsonl"

    def run(data: bytes) -> None:
        path.write_bytes(data)
        try:
            explanations = list(read_explanations(path))
        except ExplanationFormatError as error:
            assert str(path) in str(error), "the error does not name the file"
            return
        write_explanations(path, explanations)
        for explanation in explanations:
            for kind in View.list_available():
                try:
                    shown = dataclasses.replace(explanation, kind=kind)
                    render_text(shown)
                    render_html(shown).encode("utf-8")
                except ExplanationFormatError:
                    pass  # this view needs metadata that it does not have

    lines = [
        one.to_json_line().encode() for explanation in ALL.values() for one in (explanation, explanation.kept_only())
    ]
    lines += [json.dumps(version_3(explanation)).encode() for explanation in ALL.values()]
    return run, [line for line in lines if len(line) < 20_000]
