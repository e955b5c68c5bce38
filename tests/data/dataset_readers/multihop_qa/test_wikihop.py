import json
import logging
from pathlib import Path
from typing import Any, Dict, List

import pytest
import torch
from allennlp.common import Params
from allennlp.common.checks import ConfigurationError
from allennlp.data import DatasetReader, Instance, Vocabulary
from allennlp.data.batch import Batch
from allennlp.data.data_loaders import MultiProcessDataLoader
from allennlp.data.dataset_readers.dataset_reader import WorkerInfo
from allennlp.data.token_indexers import SingleIdTokenIndexer, TokenCharactersIndexer
from allennlp.data.tokenizers import Tokenizer
from allennlp.nn.util import get_text_field_mask

from allennlp_graphmask.data.coreference import AnnotatedCoreference, CoreferenceResolver
from allennlp_graphmask.data.dataset_readers import WikiHopReader
from allennlp_graphmask.data.dataset_readers.multihop_qa import MultihopQuestion

FIXTURES = Path(__file__).parents[4] / "fixtures" / "multihop_qa"
QUESTIONS = str(FIXTURES / "questions.json")


def read(**options: Any) -> Dict[str, Instance]:
    """The fixture's questions by their ids."""
    options.setdefault("coreference", AnnotatedCoreference())
    return {metadata(instance)["id"]: instance for instance in WikiHopReader(**options).read(QUESTIONS)}


def metadata(instance: Instance) -> Dict[str, Any]:
    return instance.fields["metadata"].metadata  # type: ignore[attr-defined]


def tensor(instance: Instance, name: str) -> List[Any]:
    return instance.fields[name].tensor.tolist()  # type: ignore[attr-defined]


def texts(instance: Instance) -> List[str]:
    return [node["text"] for node in metadata(instance)["nodes"]]


def question(**changes: Any) -> Dict[str, Any]:
    content = {
        "id": "Q1",
        "query": "country ostby",
        "candidates": ["halvar", "norlund"],
        "supports": ["Ostby is in Norlund.", "Halvar is not."],
        "answer": "norlund",
    }
    content.update(changes)
    return {key: value for key, value in content.items() if value is not ...}


def instance_of(options: Dict[str, Any] | None = None, **changes: Any) -> Instance:
    reader = WikiHopReader(**(options or {}))
    return reader.text_to_instance(reader.question_from_json(question(**changes)))


def links(instance: Instance) -> set:
    graph = instance.fields["graph"]
    return {(a, b, label) for (a, b), label in zip(graph.edges, graph.labels)}  # type: ignore[attr-defined]


def test_two_hops_in_full():
    instance = read()["two_hops"]
    content = metadata(instance)
    assert [token.text for token in instance["query"]] == ["country", "tern", "lighthouse"]
    assert (content["relation"], content["subject"]) == ("country", "tern lighthouse")
    assert content["candidates"] == ["halvar", "norlund", "ostby"]
    assert content["answer"] == "norlund" and tensor(instance, "answer") == 1
    assert [
        (node["text"], node["support"], node["candidate"], node["is_subject"], node["kind"])
        for node in content["nodes"]
    ] == [
        ("Tern Lighthouse", 0, -1, True, "subject"),
        ("the village of Ostby", 0, 2, False, "coreferent"),
        ("Ostby", 0, 2, False, "candidate"),
        ("It", 0, -1, True, "coreferent"),
        ("Ostby", 1, 2, False, "candidate"),
        ("Norlund", 1, 1, False, "candidate"),
        ("The village", 1, 2, False, "coreferent"),
        ("Norlund", 1, 1, False, "candidate"),
        ("Halvar", 2, 0, False, "candidate"),
        ("Norlund", 2, 1, False, "candidate"),
        ("Halvar", 2, 0, False, "candidate"),
    ]
    assert tensor(instance, "mention_spans") == [
        [0, 0, 1],
        [0, 7, 10],
        [0, 10, 10],
        [0, 12, 12],
        [1, 0, 0],
        [1, 6, 6],
        [1, 8, 9],
        [1, 15, 15],
        [2, 0, 0],
        [2, 2, 2],
        [2, 7, 7],
    ]
    assert tensor(instance, "mention_candidates") == [node["candidate"] for node in content["nodes"]]
    assert tensor(instance, "mention_is_subject") == [node["is_subject"] for node in content["nodes"]]
    assert tensor(instance, "candidate_mask") == [True, True, True]
    found = links(instance)
    both = {(0, 3), (1, 2), (4, 6), (5, 7)}
    assert {edge[:2] for edge in found if edge[2] == "COREF"} == both | {(b, a) for a, b in both}
    both = {(2, 4), (5, 9), (7, 9)}
    assert {edge[:2] for edge in found if edge[2] == "MATCH"} == both | {(b, a) for a, b in both}
    assert (0, 1, "DOC-BASED") in found and (0, 4, "COMPLEMENT") in found
    assert not {(0, 1, "COMPLEMENT"), (2, 4, "COMPLEMENT"), (2, 4, "DOC-BASED")} & found


@pytest.mark.parametrize("options", [{}, {"only_supports_with_mentions": False}])
def test_nodes_are_where_they_are_said_to_be(options):
    for instance in read(**options).values():
        content = metadata(instance)
        assert len(content["nodes"]) == len(instance.fields["graph"])
        supports = instance["supports"]
        for node, (row, first, last) in zip(content["nodes"], tensor(instance, "mention_spans")):
            text = content["supports"][node["support"]]
            assert text[node["start_char"] : node["end_char"]] == node["text"]
            assert content["support_rows"][row] == node["support"]
            tokens = [token.text for token in supports[row].tokens[first : last + 1]]
            assert tokens == content["tokens"][node["start"] : node["end"]]
            assert "".join(tokens) == "".join(node["text"].split())


def test_nested_candidates():
    instance = read()["nested_candidates"]
    assert texts(instance) == ["Ada Quill", "New Harbour City", "New Harbour", "harbour", "New Harbour City"]
    assert tensor(instance, "mention_candidates") == [-1, 1, 0, 2, 1]


def test_an_answer_that_is_never_mentioned():
    instance = read()["answer_never_mentioned"]
    assert tensor(instance, "answer") == 1
    assert 1 not in tensor(instance, "mention_candidates")


def test_no_mention_at_all():
    instance = read()["no_mention"]
    assert instance.fields["mention_spans"].tensor.shape == (0, 3)
    assert len(instance.fields["graph"]) == 0
    assert [len(text) for text in instance["supports"]] == [0]
    assert metadata(instance)["nodes"] == [] and metadata(instance)["support_rows"] == []
    everything = read(only_supports_with_mentions=False)["no_mention"]
    assert [len(text) for text in everything["supports"]] == [7, 0]


def test_candidates_given_twice_are_one_and_no_answer_is_unknown():
    instance = read()["not_known"]
    assert metadata(instance)["candidates"] == ["Ilse Vann", "Otto Reyl"]
    assert tensor(instance, "answer") == -1 and metadata(instance)["answer"] is None
    assert set(tensor(instance, "mention_candidates")) == {-1, 0, 1}
    answered = instance_of(candidates=["b", "B", "a", "c"], answer="c")
    assert tensor(answered, "answer") == 2
    assert tensor(instance_of(candidates=["b", "B", "a", "c"], answer="B"), "answer") == 0


def test_masks_and_a_query_of_medhop():
    instance = read()["masked"]
    assert [token.text for token in instance["query"]] == ["interacts", "with", "DB00001", "?"]
    assert [token.idx for token in instance["query"]] == [0, 10, 15, 22]
    assert texts(instance) == ["DB00001", "___MASK2___", "___MASK1___", "DB00001"]
    assert tensor(instance, "mention_candidates") == [-1, 1, 0, -1]


def test_null_is_no_answer():
    assert tensor(instance_of(answer=None), "answer") == -1


def test_a_query_without_a_subject():
    instance = instance_of(query="country")
    assert texts(instance) == ["Norlund", "Halvar"]
    assert metadata(instance)["subject"] is None


@pytest.mark.parametrize("supports", [[], [""], ["", " \n"]])
def test_no_support_to_speak_of(supports):
    instance = instance_of(supports=supports)
    assert len(instance["supports"]) == 1 and len(instance.fields["graph"]) == 0


def test_supports_without_mentions_are_left_out_and_the_others_renumbered():
    supports = ["Nothing here.", "Ostby is in Norlund.", "", "Norlund."]
    instance = instance_of(supports=supports)
    assert metadata(instance)["support_rows"] == [1, 3]
    assert tensor(instance, "mention_spans") == [[0, 0, 0], [0, 3, 3], [1, 0, 0]]
    assert [node["support"] for node in metadata(instance)["nodes"]] == [1, 1, 3]


def test_without_coreference_its_annotation_is_not_looked_at():
    instance = instance_of(coreference="not looked at")
    assert texts(instance) == ["Ostby", "Norlund", "Halvar"]


def test_another_resolver_can_be_plugged_in():
    class Positional(CoreferenceResolver):
        def clusters(self, texts, annotation=None):
            return [[[(0, 5), (6, 8)]] if text.startswith("Ostby") else [] for text in texts]

    instance = instance_of({"coreference": Positional()})
    assert texts(instance) == ["Ostby", "is", "Norlund", "Halvar"]

    class Wrong(CoreferenceResolver):
        def clusters(self, texts, annotation=None):
            return [[[(0, 500)]] for _ in texts]

    with pytest.raises(ConfigurationError, match=r"\[0, 500\), which is no part of the support"):
        instance_of({"coreference": Wrong()})


@pytest.mark.parametrize("left_out", ["DOC-BASED", "MATCH", "COREF", "COMPLEMENT"])
def test_relations_can_be_switched_off(left_out):
    kept = [name for name in ("DOC-BASED", "MATCH", "COREF", "COMPLEMENT") if name != left_out]
    whole, part = links(read()["two_hops"]), links(read(relations=kept)["two_hops"])
    assert left_out in {edge[2] for edge in whole} and {edge[2] for edge in part} == set(kept)
    if left_out != "COMPLEMENT":
        assert len({edge[:2] for edge in part}) == 11 * 10


def test_no_relation_at_all():
    assert links(read(relations=[])["two_hops"]) == set()


def test_match_within_supports():
    found = links(read(match_within_supports=True)["two_hops"])
    assert {(8, 10, "MATCH"), (8, 10, "DOC-BASED")} <= found


class TestLimits:
    def test_candidates(self):
        options = {"max_candidates": 2}
        content = dict(candidates=["a", "b", "c", "d"], supports=["d c b a a b"])
        instance = instance_of(options, **content, answer="a")
        assert metadata(instance)["candidates"] == ["a", "b"] and tensor(instance, "answer") == 0
        assert texts(instance) == ["b", "a", "a", "b"]
        assert tensor(instance, "mention_candidates") == [1, 0, 0, 1]

    def test_the_answer_is_kept_and_everything_stays_aligned(self):
        content = dict(candidates=["a", "b", "c", "d"], supports=["d c b a a b"], answer="d")
        instance = instance_of({"max_candidates": 2}, **content)
        assert metadata(instance)["candidates"] == ["a", "d"] and tensor(instance, "answer") == 1
        assert texts(instance) == ["d", "a", "a"]
        assert tensor(instance, "mention_candidates") == [1, 0, 0]
        assert tensor(instance, "candidate_mask") == [True, True]

    def test_the_answer_need_not_be_kept(self):
        content = dict(candidates=["a", "b", "c"], supports=["c b a"], answer="c")
        instance = instance_of({"max_candidates": 2, "keep_answer": False}, **content)
        assert metadata(instance)["candidates"] == ["a", "b"] and tensor(instance, "answer") == -1
        assert texts(instance) == ["b", "a"]

    def test_candidates_are_merged_before_they_are_counted(self):
        content = dict(candidates=["a", "A", "b"], supports=["b"], answer="b")
        instance = instance_of({"max_candidates": 2}, **content)
        assert metadata(instance)["candidates"] == ["a", "b"]

    def test_nodes(self):
        instance = read(max_nodes=4)["two_hops"]
        assert texts(instance) == ["Tern Lighthouse", "the village of Ostby", "Ostby", "It"]
        assert len(instance["supports"]) == 1
        assert {edge[:2] for edge in links(instance) if edge[2] == "COREF"} == {
            (0, 3),
            (3, 0),
            (1, 2),
            (2, 1),
        }

    def test_query(self):
        instance = read(max_query_tokens=2)["two_hops"]
        assert [token.text for token in instance["query"]] == ["country", "tern"]
        # The subject is looked for as a whole.
        assert texts(instance)[0] == "Tern Lighthouse"

    def test_the_subject_may_be_left_out_of_the_query_and_is_looked_for_still(self):
        with_subject, without = read()["masked"], read(subject_in_query=False)["masked"]
        assert [token.text for token in without["query"]] == ["interacts", "with"]
        assert metadata(without) == metadata(with_subject)
        for name in ("mention_spans", "mention_is_subject", "mention_candidates"):
            assert tensor(without, name) == tensor(with_subject, name)

    def test_what_was_left_out_is_said_once_for_each_file(self, caplog):
        with caplog.at_level(logging.INFO):
            read(max_nodes=4, max_query_tokens=3, max_candidates=2)
        ours = [record for record in caplog.records if "multihop_qa" in record.name]
        assert [record.levelname for record in ours] == ["INFO", "WARNING"]
        assert ours[0].getMessage() == (
            f"{QUESTIONS}: 6 questions, 5 with an answer, which is among the candidates of 5 and mentioned in 3; 19 mentions, 1 "
            "questions without any."
        )
        assert ours[1].getMessage() == (
            f"{QUESTIONS}: 4 queries were cut to 3 tokens; 2 candidates beyond 2 a question were left out; 4 mentions beyond 4 a "
            "question were left out; 1 candidates were given twice and merged."
        )

    def test_nothing_left_out_is_no_warning(self, tmp_path, caplog):
        path = tmp_path / "questions.json"
        path.write_text(json.dumps([question()]))
        list(WikiHopReader().read(str(path)))
        assert not [record for record in caplog.records if record.levelname == "WARNING"]

    @pytest.mark.parametrize("name", ["max_nodes", "max_query_tokens", "max_candidates"])
    def test_limits_are_positive(self, name):
        with pytest.raises(ConfigurationError, match=f"{name} must be at least 1, got 0"):
            WikiHopReader(**{name: 0})


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"query": ...}, "the key 'query' is missing; the keys are 'id', 'candidates', 'supports', 'answer'"),
        ({"candidates": ...}, "the key 'candidates' is missing"),
        ({"supports": ...}, "the key 'supports' is missing"),
        ({"query": 3}, "'query' is 3, expected a string"),
        ({"query": None}, "'query' is None, expected a string"),
        ({"query": " "}, "the query is empty"),
        ({"supports": "Ostby"}, "'supports' is 'Ostby', expected a list"),
        ({"supports": ["Ostby", None]}, r"'supports'\[1\] is None, expected a string"),
        ({"candidates": {"a": 1}}, "'candidates' is {'a': 1}, expected a list"),
        ({"candidates": [1]}, r"'candidates'\[0\] is 1, expected a string"),
        ({"candidates": []}, "candidates is empty"),
        ({"answer": "ostby"}, r"the answer 'ostby' is not among the candidates \['halvar', 'norlund'\]"),
        ({"answer": 1}, "'answer' is 1, expected a string"),
        ({"coreference": [[]]}, "coreference has 1 lists of clusters for 2 supports"),
        ({"coreference": [[[[0, 99]]], []]}, r"the span \[0, 99\)"),
    ],
)
def test_illegal_questions_name_file_question_and_byte(tmp_path, changes, message):
    path = tmp_path / "questions.json"
    path.write_text(json.dumps([question(id="fine"), question(**changes)]))
    reader = WikiHopReader(coreference=AnnotatedCoreference())
    with pytest.raises(ConfigurationError, match=message) as error:
        list(reader.read(str(path)))
    offset = len(json.dumps([question(id="fine")])) + 1
    assert error.value.message.startswith(f"{path}, question 'Q1' (number 2, byte {offset}): ")


@pytest.mark.parametrize("changes, name", [({"id": ...}, "without an id"), ({"id": 7}, "7")])
def test_a_question_without_a_proper_id(tmp_path, changes, name):
    path = tmp_path / "questions.json"
    path.write_text(json.dumps([question(**changes)]))
    with pytest.raises(ConfigurationError, match=f"question {name} .number 1, byte 1.: .*'id'"):
        list(WikiHopReader().read(str(path)))


def test_a_file_that_is_cut_off(tmp_path):
    path = tmp_path / "questions.json"
    path.write_text(Path(QUESTIONS).read_text()[:1000])
    with pytest.raises(ConfigurationError, match=f"{path}, byte 996: the file is cut off within an object"):
        list(WikiHopReader().read(str(path)))


def test_an_empty_list_is_warned_about(tmp_path, caplog):
    path = tmp_path / "questions.json"
    path.write_text("[]")
    assert list(WikiHopReader().read(str(path))) == []
    assert f"{path}: no instance: the list of questions is empty." in caplog.text


def test_a_relation_that_does_not_exist():
    with pytest.raises(
        ConfigurationError, match="relations has 'COREFERENCE', expected some of DOC-BASED, MATCH"
    ):
        WikiHopReader(relations=["COREFERENCE"])


@Tokenizer.register("without_places_for_test", exist_ok=True)
class WithoutPlaces(Tokenizer):
    def tokenize(self, text):
        from allennlp.data import Token

        return [Token(word) for word in text.split()]


def test_a_tokenizer_must_tell_places():
    with pytest.raises(ConfigurationError, match="WithoutPlaces does not tell where the token 'Ostby' is"):
        instance_of({"tokenizer": WithoutPlaces()})


def test_other_tokenizers():
    params = Params({"type": "wikihop", "tokenizer": "letters_digits", "coreference": "annotated"})
    reader = DatasetReader.from_params(params)
    instances = list(reader.read(QUESTIONS))
    assert len(instances) == 6
    for instance in instances:
        content = metadata(instance)
        for node in content["nodes"]:
            assert content["supports"][node["support"]][node["start_char"] : node["end_char"]] == node["text"]


def test_a_question_from_python():
    instance = WikiHopReader().text_to_instance(
        MultihopQuestion("1", "Where is Ostby?", ("Norlund",), ("Ostby is in Norlund.",), subjects=("Ostby",))
    )
    assert texts(instance) == ["Ostby", "Norlund"]
    assert [token.text for token in instance["query"]] == ["Where", "is", "Ostby", "?"]


def batch_of(instances: List[Instance], reader: DatasetReader) -> Dict[str, Any]:
    for instance in instances:
        reader.apply_token_indexers(instance)
    batch = Batch(instances)
    batch.index_instances(Vocabulary.from_instances(instances))
    return batch.as_tensor_dict()


INDEXERS = {
    "tokens": SingleIdTokenIndexer(lowercase_tokens=True),
    "characters": TokenCharactersIndexer(min_padding_length=1),
}


@pytest.mark.parametrize("ids", [None, ["no_mention"], ["no_mention", "two_hops"]])
def test_batches(ids):
    reader = WikiHopReader(coreference=AnnotatedCoreference(), token_indexers=INDEXERS)
    chosen = [one for one in reader.read(QUESTIONS) if ids is None or metadata(one)["id"] in ids]
    batch = batch_of(chosen, reader)
    size = len(chosen)
    nodes = [len(metadata(one)["nodes"]) for one in chosen]
    assert batch["mention_spans"].shape == (size, max(nodes), 3)
    is_mention = batch["mention_spans"][..., 0] != -1
    assert is_mention.sum(-1).tolist() == nodes == batch["graph"].nodes_per_graph.tolist()
    assert batch["mention_spans"].dtype == batch["mention_candidates"].dtype == torch.long
    assert batch["mention_is_subject"].dtype == batch["candidate_mask"].dtype == torch.bool
    assert (batch["mention_candidates"][~is_mention] == -1).all()
    assert not batch["mention_is_subject"][~is_mention].any()
    assert batch["candidate_mask"].sum(-1).tolist() == [len(metadata(one)["candidates"]) for one in chosen]
    assert batch["answer"].tolist() == [tensor(one, "answer") for one in chosen]
    # Shape: (batch_size, num_supports, num_tokens)
    mask = get_text_field_mask(batch["supports"], num_wrapping_dims=1)
    assert mask.dim() == 3
    for row, one in enumerate(chosen):
        lengths = [len(text) for text in one["supports"]]
        assert mask[row].sum(-1).tolist()[: len(lengths)] == lengths
    # Every mention is where there are tokens.
    graph, (support, first, last) = batch["graph"], batch["mention_spans"][is_mention].unbind(-1)
    in_batch = is_mention.nonzero()[:, 0]
    assert mask[in_batch, support, first].all() and mask[in_batch, support, last].all()
    assert graph.num_nodes == sum(nodes)


def test_workers_share_the_questions():
    reader = WikiHopReader()
    ids = []
    for worker in range(2):
        reader._set_worker_info(WorkerInfo(2, worker))
        ids.append([metadata(instance)["id"] for instance in reader.read(QUESTIONS)])
    assert ids == [
        ["two_hops", "answer_never_mentioned", "not_known"],
        ["nested_candidates", "no_mention", "masked"],
    ]


@pytest.mark.parametrize("max_instances_in_memory", [None, 2])
def test_data_loader_with_workers(max_instances_in_memory):
    reader = WikiHopReader(coreference=AnnotatedCoreference())
    instances = list(reader.read(QUESTIONS))
    for instance in instances:
        reader.apply_token_indexers(instance)
    loader = MultiProcessDataLoader(
        reader,
        QUESTIONS,
        batch_size=2,
        num_workers=2,
        max_instances_in_memory=max_instances_in_memory,
        quiet=True,
    )
    loader.index_with(Vocabulary.from_instances(instances))
    seen = []
    for batch in loader:
        assert batch["graph"].nodes_per_graph.tolist() == [len(one["nodes"]) for one in batch["metadata"]]
        seen += [one["id"] for one in batch["metadata"]]
    assert sorted(seen) == sorted(metadata(instance)["id"] for instance in instances)


def test_max_instances():
    assert len(list(WikiHopReader(max_instances=2).read(QUESTIONS))) == 2
