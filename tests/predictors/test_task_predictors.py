"""What the predictors of all tasks do alike: batches, instances and `allennlp predict`."""

import json
from typing import Any, Callable, Iterator, List, NamedTuple

import pytest
from allennlp.commands.predict import _PredictManager
from allennlp.common.checks import ConfigurationError
from allennlp.predictors import Predictor

from allennlp_graphmask.data.dataset_readers import Conll2009SrlReader, WikiHopReader
from allennlp_graphmask.predictors import GraphClassifierPredictor
from tests.data.malformed import changed, refused
from tests.predictors.inputs import INPUTS, QUERIES, QUESTION, QUESTIONS_FILE, assert_equal_up_to_rounding
from tests.predictors.test_graph_classifier import DATA, predictor_of


class Case(NamedTuple):
    make: Callable[..., Any]
    inputs: List[Any]
    file: str


@pytest.fixture(params=["graph_classifier", "srl_archive", "graphmask_archive", "qa_archive", "qa_graphmask_archive"])
def case(request, tmp_path) -> Case:
    if request.param == "graph_classifier":
        predictor = predictor_of(tmp_path, "graph")
        parts = (predictor._model, predictor._dataset_reader)
        return Case(
            lambda **arguments: GraphClassifierPredictor(*parts, **arguments),
            DATA["graph"],
            str(tmp_path / "graphs.jsonl"),
        )
    archive = request.getfixturevalue(request.param)
    if request.param.startswith("qa"):
        pipeline, inputs, file = {}, [*QUERIES, QUESTION], str(QUESTIONS_FILE)
    else:
        pipeline = {"spacy_model": request.getfixturevalue("universal_pipeline")}
        inputs, file = list(INPUTS), request.getfixturevalue("conll_file")
    return Case(lambda **arguments: Predictor.from_archive(archive, extra_args={**pipeline, **arguments}), inputs, file)


def test_single_and_batched_inputs_and_instances_give_equal_results(case) -> None:
    predictor, in_twos = case.make(), case.make(batch_size=2)
    singles = [predictor.predict_json(one_input) for one_input in case.inputs]
    assert_equal_up_to_rounding(predictor.predict_batch_json(case.inputs), singles)
    assert_equal_up_to_rounding(in_twos.predict_batch_json(case.inputs), singles)
    assert predictor.predict_batch_json([]) == predictor.predict_batch_instance([]) == []
    instances = list(predictor._dataset_reader.read(case.file))
    singles = [predictor.predict_instance(instance) for instance in instances]
    assert_equal_up_to_rounding(predictor.predict_batch_instance(instances), singles)


@pytest.mark.parametrize("batch_size", [1, 3])
@pytest.mark.parametrize("use_dataset_reader", [False, True])
def test_what_allennlp_predict_does_after_loading_the_archive(case, tmp_path, use_dataset_reader, batch_size):
    predictor = case.make()
    lines, output = tmp_path / "inputs.jsonl", tmp_path / "output.jsonl"
    lines.write_text("\n".join(json.dumps(one_input) for one_input in case.inputs))
    file = case.file if use_dataset_reader else str(lines)
    _PredictManager(predictor, file, str(output), batch_size, False, use_dataset_reader).run()
    expected = (
        predictor.predict_batch_instance(list(predictor._dataset_reader.read(file)))
        if use_dataset_reader
        else predictor.predict_batch_json(case.inputs)
    )
    # AllenNLP's `sanitize` writes None as the string "None".
    assert "None" not in output.read_text()
    assert_equal_up_to_rounding([json.loads(line) for line in output.read_text().splitlines()], expected)


def strings(value: Any, path: str = "") -> Iterator[str]:
    """The paths of all texts in an input, and of one more key for each object."""
    if isinstance(value, dict):
        for key, item in {**value, "more": ""}.items():
            yield from strings(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from strings(item, f"{path}[{number}]")
    elif isinstance(value, str):
        yield path


#: Keys of WikiHop that are not read.
NOT_READ = ("answer", "annotations", "meta", "more")


def test_half_of_a_surrogate_pair_is_named(case) -> None:
    predictor = case.make()
    num_refused = 0
    for one_input in case.inputs:
        for path in strings(one_input):
            wrong = changed(one_input, path, "x\ud83dy")
            try:
                outputs = predictor.json_to_instances(wrong)
            except ConfigurationError as error:
                num_refused += 1
                assert repr("\ud83d") in error.message or path.endswith("more")
            else:
                assert outputs and path.startswith(NOT_READ)
    assert num_refused > 3


def test_another_reader_is_refused(case) -> None:
    predictor = case.make()
    predictor = getattr(predictor, "target_predictor", predictor)
    wrong = Conll2009SrlReader("clearnlp") if isinstance(predictor._dataset_reader, WikiHopReader) else WikiHopReader()
    predictor._dataset_reader = wrong
    with refused(type(wrong).__name__, "--use-dataset-reader"):
        predictor.predict_json(case.inputs[-1])


@pytest.mark.parametrize("line", ["", "[]", "5", '{"a": NaN}', "{", '{"a": 1, "a": 2}', "[" * 100_000])
def test_a_line_that_is_not_an_object_is_named(case, line) -> None:
    with refused(repr(line)[:50]):
        case.make().load_line(line)
