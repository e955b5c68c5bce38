import json
import logging

import pytest
import torch
from allennlp.data import Token, Vocabulary
from allennlp.data.token_indexers import SingleIdTokenIndexer, TokenCharactersIndexer
from allennlp.data.tokenizers import LettersDigitsTokenizer, Tokenizer
from allennlp.nn.util import get_text_field_mask

from allennlp_graphmask.data.coreference import AnnotatedCoreference, CoreferenceResolver
from allennlp_graphmask.data.dataset_readers import HotpotQaGraphReader, WikiHopReader
from allennlp_graphmask.data.dataset_readers.multihop_qa import MultihopQuestion
from tests.data.dataset_readers.multihop_qa.questions import (
    QUESTION,
    QUESTIONS,
    build,
    check_mentions,
    links,
    metadata,
    read,
    tensor,
    texts,
)
from tests.data.malformed import DELETED, changed, refused, wrong_value
from tests.models.building import make_batch
from tests.predictors.inputs import QUESTIONS_FILE


def test_two_hops_in_full():
    instance = read()["two_hops"]
    content = metadata(instance)
    assert [token.text for token in instance["query"]] == ["country", "tern", "lighthouse"]
    assert (content["relation"], content["subject"]) == ("country", "tern lighthouse")
    assert content["candidates"] == ["halvar", "norlund", "ostby"]
    assert content["answer"] == "norlund" and tensor(instance, "answer") == 1
    spans = tensor(instance, "mention_spans")
    assert [
        (node["text"], node["candidate"], node["is_subject"], node["kind"], span)
        for node, span in zip(content["nodes"], spans, strict=True)
    ] == [
        ("Tern Lighthouse", -1, True, "subject", [0, 0, 1]),
        ("the village of Ostby", 2, False, "coreferent", [0, 7, 10]),
        ("Ostby", 2, False, "candidate", [0, 10, 10]),
        ("It", -1, True, "coreferent", [0, 12, 12]),
        ("Ostby", 2, False, "candidate", [1, 0, 0]),
        ("Norlund", 1, False, "candidate", [1, 6, 6]),
        ("The village", 2, False, "coreferent", [1, 8, 9]),
        ("Norlund", 1, False, "candidate", [1, 15, 15]),
        ("Halvar", 0, False, "candidate", [2, 0, 0]),
        ("Norlund", 1, False, "candidate", [2, 2, 2]),
        ("Halvar", 0, False, "candidate", [2, 7, 7]),
    ]
    assert [node["support"] for node in content["nodes"]] == [support for support, _, _ in spans]
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


@pytest.mark.parametrize(
    "options", [{}, {"only_supports_with_mentions": False}, {"tokenizer": LettersDigitsTokenizer()}]
)
def test_nodes_are_where_they_are_said_to_be(options):
    instances = read(**options)
    assert len(instances) == 6
    for instance in instances.values():
        check_mentions(instance)


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
    for answer, number in (("c", 2), ("B", 0), (None, -1)):
        assert tensor(build(candidates=["b", "B", "a", "c"], answer=answer), "answer") == number


def test_masks_and_a_query_of_medhop():
    instance = read()["masked"]
    assert [token.text for token in instance["query"]] == ["interacts", "with", "DB00001", "?"]
    assert [token.idx for token in instance["query"]] == [0, 10, 15, 22]
    assert texts(instance) == ["DB00001", "___MASK2___", "___MASK1___", "DB00001"]
    assert tensor(instance, "mention_candidates") == [-1, 1, 0, -1]


def test_a_query_without_a_subject():
    instance = build(query="country")
    assert texts(instance) == ["Norlund", "Halvar"]
    assert metadata(instance)["subject"] is None


def test_a_question_in_words_with_its_subjects(tmp_path):
    words = {**QUESTION, "query": "In which country is Ostby?", "subjects": ["Ostby"]}
    file = tmp_path / "questions.json"
    file.write_text(json.dumps([words, {**words, "id": "Q2", "subjects": []}]))
    with_subject, without = WikiHopReader(subject_in_query=False).read(str(file))
    assert [token.text for token in with_subject["query"]] == ["In", "which", "country", "is", "Ostby", "?"]
    assert metadata(with_subject)["relation"] is None and metadata(with_subject)["subjects"] == ["Ostby"]
    assert "Ostby" in texts(with_subject) and "Ostby" not in texts(without)


@pytest.mark.parametrize("supports", [[], [""], ["", " \n"]])
def test_supports_without_words(supports):
    instance = build(supports=supports)
    assert len(instance["supports"]) == 1 and len(instance.fields["graph"]) == 0


def test_supports_without_mentions_are_left_out_and_the_others_renumbered():
    supports = ["Nothing here.", "Ostby is in Norlund.", "", "Norlund."]
    instance = build(supports=supports)
    assert metadata(instance)["support_rows"] == [1, 3]
    assert tensor(instance, "mention_spans") == [[0, 0, 0], [0, 3, 3], [1, 0, 0]]
    assert [node["support"] for node in metadata(instance)["nodes"]] == [1, 1, 3]


def test_without_coreference_its_annotation_is_not_looked_at():
    instance = build(coreference="not looked at")
    assert texts(instance) == ["Ostby", "Norlund", "Halvar"]


def test_another_resolver_can_be_plugged_in():
    class Positional(CoreferenceResolver):
        def clusters(self, texts, annotation=None):
            return [[[(0, 5), (6, 8)]] if text.startswith("Ostby") else [] for text in texts]

    instance = build({"coreference": Positional()})
    assert texts(instance) == ["Ostby", "is", "Norlund", "Halvar"]

    class Wrong(CoreferenceResolver):
        def clusters(self, texts, annotation=None):
            return [[[(0, 500)]] for _ in texts]

    with refused("[0, 500)"):
        build({"coreference": Wrong()})


@pytest.mark.parametrize("left_out", ["DOC-BASED", "MATCH", "COREF", "COMPLEMENT"])
def test_relations_can_be_switched_off(left_out):
    kept = [name for name in ("DOC-BASED", "MATCH", "COREF", "COMPLEMENT") if name != left_out]
    whole, part = links(read()["two_hops"]), links(read(relations=kept)["two_hops"])
    assert left_out in {edge[2] for edge in whole} and {edge[2] for edge in part} == set(kept)
    if left_out != "COMPLEMENT":
        assert len({edge[:2] for edge in part}) == 11 * 10
    assert links(read(relations=[])["two_hops"]) == set()


def test_match_within_supports():
    found = links(read(match_within_supports=True)["two_hops"])
    assert {(8, 10, "MATCH"), (8, 10, "DOC-BASED")} <= found


@pytest.mark.parametrize(
    "path, value",
    [
        *((key, value) for key in ("query", "candidates", "supports") for value in (DELETED, None, 3)),
        ("supports", "Ostby"),
        ("supports[1]", None),
        ("candidates", {"a": 1}),
        ("candidates[0]", 1),
        ("answer", 1),
        ("coreference", "[]"),
        ("subjects", "Ostby"),
        ("id", DELETED),
        ("id", 7),
    ],
)
def test_wrong_values_are_named_with_file_question_and_byte(tmp_path, path, value):
    file = tmp_path / "questions.json"
    file.write_text(json.dumps([QUESTION, changed(QUESTION, path, value)]))
    offset = len(json.dumps([QUESTION])) + 1
    which = {"id": "without an id" if value is DELETED else "7"}.get(path, "'Q1'")
    with refused(f"{file}, question {which} (number 2, byte {offset}): {wrong_value(path, value)}"):
        list(WikiHopReader(coreference=AnnotatedCoreference()).read(str(file)))


@pytest.mark.parametrize(
    "changes, expected",
    [
        ({"query": " "}, "query is empty"),
        ({"candidates": []}, "candidates is empty"),
        ({"answer": "ostby"}, "'ostby' is not among the candidates ['halvar', 'norlund']"),
        ({"coreference": [[]]}, "1 lists of clusters for 2 supports"),
    ],
)
def test_what_does_not_fit_is_named(changes, expected):
    with refused(expected):
        build({"coreference": AnnotatedCoreference()}, **changes)


def test_an_empty_list_is_warned_about(tmp_path, caplog):
    path = tmp_path / "questions.json"
    path.write_text("[]")
    assert list(WikiHopReader().read(str(path))) == []
    assert f"{path}: no instance: the list of questions is empty." in caplog.text


@Tokenizer.register("without_places_for_test", exist_ok=True)
class WithoutPlaces(Tokenizer):
    def tokenize(self, text):
        return [Token(word) for word in text.split()]


def test_a_tokenizer_must_give_places():
    with refused("WithoutPlaces", "'Ostby'"):
        build({"tokenizer": WithoutPlaces()})


def test_a_question_from_python():
    instance = WikiHopReader().text_to_instance(
        MultihopQuestion("1", "Where is Ostby?", ("Norlund",), ("Ostby is in Norlund.",), subjects=("Ostby",))
    )
    assert texts(instance) == ["Ostby", "Norlund"]
    assert [token.text for token in instance["query"]] == ["Where", "is", "Ostby", "?"]


@pytest.mark.parametrize(
    "candidates, answer, keep_answer, kept, number, mentioned",
    [
        ("abcd", "a", True, ["a", "b"], 0, ["b", "a", "a", "b"]),
        ("abcd", "d", True, ["a", "d"], 1, ["d", "a", "a"]),
        ("abcd", "d", False, ["a", "b"], -1, ["b", "a", "a", "b"]),
        # Merged before they are counted.
        ("aAb", "b", True, ["a", "b"], 1, ["b", "a", "a", "b"]),
    ],
)
def test_the_limit_of_candidates(candidates, answer, keep_answer, kept, number, mentioned):
    options = {"max_candidates": 2, "keep_answer": keep_answer}
    instance = build(options, candidates=list(candidates), supports=["d c b a a b"], answer=answer)
    assert metadata(instance)["candidates"] == kept and tensor(instance, "answer") == number
    assert tensor(instance, "candidate_mask") == [True, True]
    assert texts(instance) == mentioned
    assert [kept[candidate] for candidate in tensor(instance, "mention_candidates")] == mentioned


def test_the_limit_of_nodes():
    instance = read(max_nodes=4)["two_hops"]
    assert texts(instance) == ["Tern Lighthouse", "the village of Ostby", "Ostby", "It"]
    assert len(instance["supports"]) == 1
    assert {edge[:2] for edge in links(instance) if edge[2] == "COREF"} == {(0, 3), (3, 0), (1, 2), (2, 1)}


def test_the_limit_of_query_tokens():
    instance = read(max_query_tokens=2)["two_hops"]
    assert [token.text for token in instance["query"]] == ["country", "tern"]
    # The subject is looked for as a whole.
    assert texts(instance)[0] == "Tern Lighthouse"


def test_the_subject_may_be_left_out_of_the_query_and_is_looked_for_still():
    with_subject, without = read()["masked"], read(subject_in_query=False)["masked"]
    assert [token.text for token in without["query"]] == ["interacts", "with"]
    assert metadata(without) == metadata(with_subject)
    for name in ("mention_spans", "mention_is_subject", "mention_candidates"):
        assert tensor(without, name) == tensor(with_subject, name)


def test_what_was_left_out_is_logged_once_for_each_file(caplog):
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


def test_nothing_left_out_is_no_warning(tmp_path, caplog):
    path = tmp_path / "questions.json"
    path.write_text(json.dumps([QUESTION]))
    list(WikiHopReader().read(str(path)))
    assert not [record for record in caplog.records if record.levelname == "WARNING"]


@pytest.mark.parametrize("ids", [None, ["no_mention"], ["no_mention", "two_hops"]])
def test_batches(ids):
    indexers = {
        "tokens": SingleIdTokenIndexer(lowercase_tokens=True),
        "characters": TokenCharactersIndexer(min_padding_length=1),
    }
    instances = read(token_indexers=indexers)
    chosen = [instances[name] for name in ids or instances]
    batch = make_batch(chosen, Vocabulary.from_instances(chosen))
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


def test_max_instances():
    assert len(list(WikiHopReader(max_instances=2).read(QUESTIONS))) == 2


@pytest.mark.parametrize(
    "reader, file, other",
    [(WikiHopReader(), "paragraphs.json", "'hotpotqa_graph'"), (HotpotQaGraphReader(), "questions.json", "'wikihop'")],
)
def test_the_format_of_another_reader_is_recognised(reader, file, other):
    with refused(file, "(number 1, byte ", other):
        list(reader.read(QUESTIONS_FILE.with_name(file)))
