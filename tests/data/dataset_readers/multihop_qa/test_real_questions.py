"""The readers on real questions. Skipped unless GRAPHMASK_DATA names their folder."""

import json
import lzma
import os
from pathlib import Path
from typing import Any, List

import pytest
import spacy

from allennlp_graphmask.data.coreference import AnnotatedCoreference
from allennlp_graphmask.data.dataset_readers import HotpotQaGraphReader, WikiHopReader
from tests.data.dataset_readers.multihop_qa.questions import check_mentions

DATA = os.environ.get("GRAPHMASK_DATA")
pytestmark = pytest.mark.skipif(
    not DATA, reason="the environment variable GRAPHMASK_DATA, the folder of the real data, is not set"
)

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


def path_of(name: str) -> Path:
    return Path(DATA or "") / name


def content_of(name: str) -> List[Any]:
    path = path_of(name)
    opened = lzma.open(path, "rb") if name.endswith(".xz") else open(path, "rb")
    with opened as file:
        return json.load(file)


@pytest.mark.parametrize("name", WIKIHOP_FORMAT)
def test_wikihop_and_its_kin(name):
    questions = content_of(name)
    instances = WikiHopReader(coreference=AnnotatedCoreference()).read(str(path_of(name)))
    num_instances = 0
    for question, instance in zip(questions, instances):
        num_instances += 1
        assert instance.fields["metadata"].metadata["id"] == question["id"]
        assert instance.fields["answer"].tensor.item() >= 0
        check_mentions(instance)
    assert num_instances == len(questions)


def names_of_articles(questions: List[Any]) -> spacy.language.Language:
    """Instead of a trained pipeline, which would have to be downloaded: it knows the titles of the paragraphs."""
    language = spacy.blank("en")
    ruler = language.add_pipe("entity_ruler", config={"phrase_matcher_attr": "LOWER"})
    titles = {title.partition(" (")[0] for question in questions for title, _ in question["context"]}
    ruler.add_patterns([{"label": "TITLE", "pattern": title} for title in sorted(titles)])  # type: ignore[attr-defined]
    return language


@pytest.mark.parametrize("name", HOTPOTQA_FORMAT)
def test_hotpotqa_and_its_kin(name):
    questions = content_of(name)
    reader = HotpotQaGraphReader(pipeline=names_of_articles(questions), title_candidates=True)
    num_instances = 0
    for question, instance in zip(questions, reader.read(str(path_of(name)))):
        num_instances += 1
        metadata = instance.fields["metadata"].metadata
        assert metadata["id"] == question["_id"]
        assert len(metadata["supports"]) == len(question["context"])
        # One question of the sample has no paragraph.
        assert metadata["nodes"] or not question["context"]
        check_mentions(instance)
    assert num_instances == len(questions)
