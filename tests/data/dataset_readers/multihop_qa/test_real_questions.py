"""The readers on real questions."""

import pytest

from allennlp_graphmask.data.coreference import AnnotatedCoreference
from allennlp_graphmask.data.dataset_readers import HotpotQaGraphReader, WikiHopReader
from tests.data.dataset_readers.multihop_qa.questions import check_mentions
from tests.data.real_data import DATA, needs_data, read_questions, title_pipeline

pytestmark = needs_data
WIKIHOP_FORMAT = [
    "wikihop_samples/wikihop_train_2.json",
    "wikihop_samples/wikihop_dev_2.json",
    "wikihop_samples/wikihop_dev_2.masked.json",
    "wikihop_samples/medhop_train_1.json",
    "wikihop_samples/medhop_dev_1.json",
    "qa_wikihop_format/2wiki_train.json.xz",
    "qa_wikihop_format/2wiki_dev.json.xz",
    "qa_wikihop_format/redocred_dev.json.xz",
    "qa_wikihop_format/redocred_train.json.xz",
]
HOTPOTQA_FORMAT = ["qa_real/hotpotqa_sample.json.xz", "qa_real/2wikimultihopqa_sample.json.xz"]


@pytest.mark.parametrize("name", WIKIHOP_FORMAT)
def test_wikihop_and_its_kin(name):
    instances = WikiHopReader(coreference=AnnotatedCoreference()).read(str(DATA / name))
    for question, instance in zip(read_questions(name), instances, strict=True):
        assert instance.fields["metadata"].metadata["id"] == question["id"]
        assert instance.fields["answer"].tensor.item() >= 0
        check_mentions(instance)


@pytest.mark.parametrize("name", HOTPOTQA_FORMAT)
def test_hotpotqa_and_its_kin(name):
    questions = read_questions(name)
    reader = HotpotQaGraphReader(pipeline=title_pipeline(questions), title_candidates=True)
    for question, instance in zip(questions, reader.read(str(DATA / name)), strict=True):
        metadata = instance.fields["metadata"].metadata
        assert metadata["id"] == question["_id"]
        assert len(metadata["supports"]) == len(question["context"])
        # One question of the sample has no paragraph.
        assert metadata["nodes"] or not question["context"]
        check_mentions(instance)
