"""Texts that are hard to keep, in all readers: what enters a vocabulary survives saving, and letters keep their marks."""

import copy
import unicodedata
from typing import Any, Dict, List

import pytest
from allennlp.common.checks import ConfigurationError
from allennlp.data import DatasetReader, Vocabulary
from allennlp.data.tokenizers import LettersDigitsTokenizer, Token, Tokenizer
from hypothesis import example, given
from hypothesis import strategies as st

from allennlp_graphmask.data.dataset_readers.graph_jsonl.text_graph import TextGraph, TextNode
from allennlp_graphmask.data.dataset_readers.multihop_qa import MultihopQuestion
from allennlp_graphmask.data.dataset_readers.multihop_qa.multihop_qa_reader import MultihopQaReader
from allennlp_graphmask.data.fields import GraphField
from allennlp_graphmask.data.tokenizers import PlainWordsTokenizer
from allennlp_graphmask.vocabulary_entries import check_entries, check_vocabulary
from tests.data.malformed import refused
from tests.data.readers import COLUMNS, IN_FILES, READERS, build_content
from tests.test_plugin import SNAPSHOT
from tests.test_registered import GIVEN, build


class CharactersWithPlaces(Tokenizer):
    """White space is a token, too."""

    def tokenize(self, text: str) -> List[Token]:
        return [Token(character, idx=place) for place, character in enumerate(text)]


TOKENIZERS: Dict[str, Tokenizer] = {
    "plain_words": PlainWordsTokenizer(),
    "letters_digits": LettersDigitsTokenizer(),
    "characters": CharactersWithPlaces(),
}
#: Where the second record is.
PLACES = {"questions": "(number 2, ", "paragraphs": "(number 2, ", "propositions": "line 4", "sentences": "line 4"}

HARD_TO_KEEP = ["\r", "@@NEWLINE@@", "@@PADDING@@", "@@UNKNOWN@@", "\ud83d", "\u2028", "\x85", "\ufeff"]
PIECES = st.sampled_from([*HARD_TO_KEEP, "a", "e\u0301", "É", "\u093f", "😀", "@", " ", "\n"])
WORDS = st.lists(PIECES, min_size=1, max_size=4).map("".join)


def survives(vocabulary: Vocabulary, folder: Any) -> bool:
    try:
        vocabulary.save_to_files(str(folder))
    except UnicodeEncodeError:
        return False
    saved = Vocabulary.from_files(str(folder))
    return all(saved._index_to_token[name] == entries for name, entries in vocabulary._index_to_token.items())


def reader_of(name: str, tokenizer: Tokenizer) -> DatasetReader:
    reader = READERS[name][0]
    if hasattr(reader, "_tokenizer"):
        reader._tokenizer = tokenizer
    return reader


@pytest.fixture(autouse=True)
def tokenizers_as_before() -> Any:
    yield
    for name in READERS:
        reader_of(name, TOKENIZERS["plain_words"])


def test_no_reader_is_forgotten() -> None:
    assert {type(reader) for reader, _ in READERS.values()} == set(
        map(DatasetReader.by_name, SNAPSHOT["DatasetReader"])
    )


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
@pytest.mark.parametrize("name", IN_FILES)
@given(word=WORDS)
@example(word="x\r")
@example(word="\r")
@example(word="x\r\ny")
@example(word="@@NEWLINE@@")
@example(word="@@PADDING@@")
@example(word="x\ud83d")
@example(word="e\u0301")
def test_what_is_read_survives_saving_and_the_rest_is_named(tmp_path_factory, name, tokenizer, word) -> None:
    folder = tmp_path_factory.mktemp("words")
    file = folder / "data.jsonl"
    if name in COLUMNS:
        word = word.replace("\n", "")  # ends a line
    file.write_bytes(build_content(name, ["good", word or "x"]))
    reader = reader_of(name, TOKENIZERS[tokenizer])
    try:
        instances = list(reader.read(str(file)))
    except ConfigurationError as error:
        assert str(file) in error.message and PLACES.get(name, "line 2") in error.message
        assert not word.strip() or any(piece in word for piece in HARD_TO_KEEP[:5])
        error.message.encode("utf-8")
    else:
        assert "\ud83d" not in word
        assert survives(Vocabulary.from_instances(instances), folder / "vocabulary")


@given(namespace=st.sampled_from(["tokens", "role_labels", "tags"]), entry=WORDS)
@example(namespace="tags", entry="@@PADDING@@")
@example(namespace="tokens", entry="@@PADDING@@")
@example(namespace="tokens", entry="a\r")
def test_a_vocabulary_is_refused_where_it_would_not_survive(tmp_path_factory, namespace, entry) -> None:
    vocabulary = Vocabulary(tokens_to_add={namespace: [entry, "other"]})
    if survives(vocabulary, tmp_path_factory.mktemp("vocabulary")):
        check_vocabulary(vocabulary)
    else:
        with refused(f"'{namespace}'", repr(entry)):
            check_vocabulary(vocabulary)


def test_labels_from_python_are_refused() -> None:
    with refused("'seen_by\\r'", "'edge_labels'"):
        GraphField(2, [(0, 1)], ["seen_by\r"])
    with refused("'A1\\ud83d'"):
        check_entries(["A0", "A1\ud83d"], "role")


@pytest.mark.parametrize("model", SNAPSHOT["Model"])
def test_models_refuse_the_vocabularies_of_other_readers(monkeypatch, model) -> None:
    vocabulary = copy.deepcopy(GIVEN["vocab"])
    vocabulary.add_token_to_namespace("x\r", "edge_labels")
    monkeypatch.setitem(GIVEN, "vocab", vocabulary)
    with refused("'edge_labels'", "'x\\r'"):
        build("Model", model)


LETTERS = st.sampled_from(["e", "o", "s", "A", "ß"])
MARKS = st.sampled_from(["\u0301", "\u0323", "\u0308"])
MARKED_WORDS = st.lists(st.tuples(LETTERS, st.lists(MARKS, max_size=2).map("".join)).map("".join), min_size=1).map(
    "".join
)


@pytest.mark.parametrize("tokenizer", ["plain_words", "letters_digits"])
@pytest.mark.parametrize("name", [name for name in READERS if isinstance(READERS[name][0], MultihopQaReader)])
@given(word=MARKED_WORDS | st.sampled_from(["हिन्दी", "தமிழ்", "नि", "ক্‌ষ", "ไทยที่"]), form=st.sampled_from(["NFC", "NFD"]))
@example(word="José", form="NFD")
@example(word="Straße", form="NFD")
def test_mentions_are_whole_words_in_any_normal_form(name, tokenizer, word, form) -> None:
    reader = reader_of(name, TOKENIZERS[tokenizer])
    other = "".join(
        letter for letter in unicodedata.normalize("NFD", word) if not unicodedata.category(letter)[0] == "M"
    )
    written = unicodedata.normalize(form, word)
    text = f"It is {written}, not {other}: {written.upper()}."
    candidates = [unicodedata.normalize("NFC", word), *([other] if other != unicodedata.normalize("NFD", word) else [])]
    instance: Any = reader.text_to_instance(MultihopQuestion("Q", "which it", tuple(candidates), (text,)))
    nodes = instance["metadata"]["nodes"]
    found = [(node["text"], node["candidate"]) for node in nodes]
    assert found == [(written, 0), (other, len(candidates) - 1), (written.upper(), 0)]
    assert all(text[node["start_char"] : node["end_char"]] == node["text"] for node in nodes)


@pytest.mark.parametrize("tokenizer", ["plain_words", "letters_digits"])
@given(word=MARKED_WORDS)
def test_nodes_have_the_same_tokens_in_any_normal_form(tokenizer, word) -> None:
    reader: Any = reader_of("graphs", TOKENIZERS[tokenizer])
    graphs = [TextGraph(nodes=[TextNode(text=unicodedata.normalize(form, word))], edges=[]) for form in ("NFC", "NFD")]
    first, second = ([str(token) for token in reader.text_to_instance(graph)["nodes"][0]] for graph in graphs)
    assert first == second == [unicodedata.normalize("NFC", word.lower())]
