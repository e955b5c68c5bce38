import gzip
import lzma
import random
import re
from pathlib import Path
from typing import List

import pytest
from allennlp.common.checks import ConfigurationError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from allennlp_graphmask.data.dataset_readers.propbank_srl import (
    DependencySentence,
    Predicate,
    parse_conll2009,
    read_conll2009,
)
from tests.data.dataset_readers.propbank_srl.conll_text import (
    HELLO,
    RAIN,
    SHE_PLANS_TO_WIN,
    as_conll,
    change,
    dependency_sentences,
    row,
    text,
)

# Where the columns are, from 0.
ID, FORM, HEAD, PHEAD, FILLPRED = 0, 1, 8, 9, 12

SENTENCE = DependencySentence(
    words=("She", "Plans", "to", "Win"),
    lemmas=("she", "plans", "to", "win"),
    parts_of_speech=("X",) * 4,
    heads=(1, -1, 3, 1),
    dependency_labels=("nsubj", "root", "mark", "xcomp"),
    predicates=(Predicate(1, "plans.01", {0: "A0", 3: "A1"}), Predicate(3, "win.01", {0: "A0"})),
    sentence_id="1",
)


def parse(content: str, syntax: str = "gold") -> List[DependencySentence]:
    return list(parse_conll2009(content.splitlines(keepends=True), "a file", syntax))


def columns(sentence: str, number: int) -> str:
    """The sentence cut to its first columns."""
    return "\n".join("\t".join(line.split("\t")[:number]) for line in sentence.split("\n"))


def test_a_sentence():
    assert parse(text(SHE_PLANS_TO_WIN)) == [SENTENCE]


def test_predicted_columns():
    sentence = change(change(SHE_PLANS_TO_WIN, 0, PHEAD, "4"), 0, 11, "dep")
    sentence = change(change(sentence, 0, 3, "SHE"), 0, 5, "Y")
    gold, predicted = parse(text(sentence))[0], parse(text(sentence), "predicted")[0]
    assert gold == SENTENCE
    assert predicted.heads == (3, -1, 3, 1)
    assert predicted.dependency_labels == ("dep", "root", "mark", "xcomp")
    assert predicted.lemmas[0] == "SHE" and predicted.parts_of_speech[0] == "Y"
    assert predicted.predicates == gold.predicates


def test_sentences_are_numbered_and_may_lack_predicates():
    sentences = parse("\n\n" + text(SHE_PLANS_TO_WIN, HELLO, RAIN) + "\n\n")
    assert [sentence.sentence_id for sentence in sentences] == ["1", "2", "3"]
    assert sentences[1].predicates == ()
    assert sentences[2].predicates == (Predicate(0, "raining.01", {}),)


@pytest.mark.parametrize(
    "content",
    [
        text(SHE_PLANS_TO_WIN, RAIN).replace("\n", "\r\n"),
        "\ufeff" + text(SHE_PLANS_TO_WIN, RAIN),
        text(SHE_PLANS_TO_WIN, RAIN).rstrip("\n"),
        text(SHE_PLANS_TO_WIN) + " \n" + text(RAIN),
    ],
    ids=["windows", "byte order mark", "no final newline", "blank line with a space"],
)
def test_line_ends_and_byte_order_marks(tmp_path, content):
    path = tmp_path / "file"
    path.write_bytes(content.encode("utf-8"))
    expected = parse(text(SHE_PLANS_TO_WIN, RAIN))
    assert list(read_conll2009(str(path))) == expected


def test_several_roots():
    sentence = change(SHE_PLANS_TO_WIN, 3, HEAD, "0")
    assert parse(text(sentence))[0].heads == (1, -1, 3, -1)


@pytest.mark.parametrize(
    "num_columns, predicates",
    [
        (12, ()),
        (13, (Predicate(1), Predicate(3))),
        (14, (Predicate(1, "plans.01"), Predicate(3, "win.01"))),
    ],
)
def test_files_for_prediction_have_no_roles(num_columns, predicates):
    sentences = parse(text(columns(SHE_PLANS_TO_WIN, num_columns), columns(RAIN, num_columns)))
    assert sentences[0].predicates == predicates
    assert all(predicate.roles is None for sentence in sentences for predicate in sentence.predicates)


@pytest.mark.parametrize("suffix, opener", [("", open), (".gz", gzip.open), (".xz", lzma.open)])
def test_plain_and_compressed_files(tmp_path, suffix, opener):
    path = str(tmp_path / f"file.conll09{suffix}")
    with opener(path, "wb") as file:
        file.write(text(SHE_PLANS_TO_WIN, RAIN).encode("utf-8"))
    assert list(read_conll2009(path)) == parse(text(SHE_PLANS_TO_WIN, RAIN))


@given(st.lists(dependency_sentences(), min_size=1, max_size=4))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_is_written_is_read(sentences):
    content = text(*map(as_conll, sentences))
    lines = [line + "\n" for line in content.split("\n")]
    expected = [
        DependencySentence(**{**vars(sentence), "sentence_id": str(number)})
        for number, sentence in enumerate(sentences, start=1)
    ]
    assert list(parse_conll2009(lines, "a file")) == expected


@given(dependency_sentences(with_roles=False))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_is_written_without_roles_and_with_predicted_syntax_is_read(gold):
    length = len(gold)
    # The predicted tree is the mirror image of the gold one.
    predicted = DependencySentence(
        words=gold.words,
        lemmas=gold.lemmas[::-1],
        parts_of_speech=gold.parts_of_speech[::-1],
        heads=tuple(-1 if head == -1 else length - 1 - head for head in gold.heads[::-1]),
        dependency_labels=gold.dependency_labels[::-1],
        predicates=gold.predicates,
    )
    lines = [line + "\n" for line in text(as_conll(gold, predicted)).split("\n")]
    for syntax, sentence in (("gold", gold), ("predicted", predicted)):
        assert list(parse_conll2009(lines, "a file", syntax)) == [
            DependencySentence(**{**vars(sentence), "sentence_id": "1"})
        ]


# The malformed sentence comes after a sound one of 4 lines and an empty one: its first line is line 6.
MALFORMED = {
    "too few columns": (columns(RAIN, 11), 6, "11 columns, expected at least 12"),
    "spaces for tabs": (RAIN.replace("\t", " "), 6, "1 columns, expected at least 12"),
    "columns differ": (RAIN + "\t_", 7, "16 columns, but line 6, where the sentence starts, has 15"),
    "last line cut off": (RAIN[:-6], 7, "columns, but line 6"),
    "role column too many": (
        RAIN.replace("\n", "\t_\n") + "\t_",
        6,
        "has 1 predicates (FILLPRED = Y), but 2 columns of roles",
    ),
    "role column too few": (
        change(RAIN, 1, FILLPRED, "Y"),
        6,
        "has 2 predicates (FILLPRED = Y), but 1 columns of roles after PRED. It needs 16 columns",
    ),
    "roles of no predicate": (
        change(RAIN, 0, FILLPRED, "_"),
        6,
        "has 0 predicates (FILLPRED = Y), but 1 columns",
    ),
    "roles missing in one sentence": (
        columns(RAIN, 14),
        6,
        "has 1 predicates (FILLPRED = Y), but 0 columns of roles after PRED. It needs 15 columns, one of roles for each "
        "predicate. (The sentence at line 1 has columns of roles.)",
    ),
    "head out of range": (change(RAIN, 1, HEAD, "3"), 7, "the HEAD is 3, but the sentence has 2 tokens"),
    "negative head": (
        change(RAIN, 1, HEAD, "-1"),
        7,
        "the HEAD is '-1', expected a number from 0 (root) to 2",
    ),
    "head is a word": (change(RAIN, 1, HEAD, "one"), 7, "the HEAD is 'one', expected a number"),
    "head is a fraction": (change(RAIN, 1, HEAD, "1.0"), 7, "the HEAD is '1.0', expected a number"),
    "head in other digits": (change(RAIN, 1, HEAD, "\u0661"), 7, "the HEAD is '\u0661', expected a number"),
    "head is a superscript": (change(RAIN, 1, HEAD, "\u00b2"), 7, "the HEAD is '\u00b2', expected a number"),
    "head of very many digits": (change(RAIN, 1, HEAD, "1" * 5000), 7, "1111, but the sentence has 2 tokens"),
    "head is empty": (change(RAIN, 1, HEAD, ""), 7, "the HEAD is '', expected a number"),
    "no gold tree": (
        change(RAIN, 1, HEAD, "_"),
        7,
        "the HEAD is '_': the file has no gold trees. Read it with syntax: 'predicted'",
    ),
    "an ID is left out": (change(RAIN, 1, ID, "3"), 7, "the ID is '3', expected '2'"),
    "ID from 0": (change(RAIN, 0, ID, "0"), 6, "the ID is '0', expected '1'"),
    "no empty line": (RAIN + "\n" + RAIN, 8, "the ID is '1', expected '3'"),
    "cycle": (change(RAIN, 0, HEAD, "2"), 6, "the heads form a cycle: 1 (Raining) <- 2 (.) <- 1 (Raining)"),
    "own head": (change(RAIN, 1, HEAD, "2"), 7, "the heads form a cycle: 2 (.) <- 2 (.)"),
    "FILLPRED": (change(RAIN, 1, FILLPRED, "yes"), 7, "FILLPRED is 'yes', expected 'Y' or '_'"),
    "no FORM": (change(RAIN, 1, FORM, ""), 7, "the FORM is empty"),
}


@pytest.mark.parametrize("malformed, line, message", MALFORMED.values(), ids=MALFORMED)
def test_malformed_sentences_are_named_by_file_and_line(tmp_path, malformed, line, message):
    path = tmp_path / "damaged.conll09"
    path.write_text(text(SHE_PLANS_TO_WIN, malformed, RAIN), encoding="utf-8")
    sentences = read_conll2009(str(path))
    # What comes before is given out first.
    assert next(sentences) == SENTENCE
    with pytest.raises(ConfigurationError, match=re.escape(f"{path}, line {line}: ")) as caught:
        next(sentences)
    assert message in str(caught.value)


def test_predicted_heads_are_named_as_such():
    for value, message in [
        ("_", "line 2: the PHEAD is '_': the file has no predicted trees. Read it with syntax: 'gold'"),
        ("9", "line 2: the PHEAD is 9, but the sentence has 2 tokens"),
    ]:
        sentence = text(change(RAIN, 1, PHEAD, value))
        parse(sentence)
        with pytest.raises(ConfigurationError, match=re.escape(message)):
            parse(sentence, "predicted")


def test_roles_that_only_a_later_sentence_has():
    with pytest.raises(
        ConfigurationError, match="a file, line 4: .*the sentence at line 1 has predicates without"
    ):
        parse(text(columns(RAIN, 14), RAIN))


def test_a_byte_that_is_not_utf_8(tmp_path):
    path = tmp_path / "latin1.conll09"
    content = text(SHE_PLANS_TO_WIN, change(RAIN, 1, FORM, "\u00e9"))
    path.write_bytes(content.encode("latin-1"))
    sentences = read_conll2009(str(path))
    assert next(sentences) == SENTENCE
    with pytest.raises(
        ConfigurationError, match=re.escape(f"{path}, line 7: not UTF-8 (byte 0xe9 at column 3)")
    ):
        next(sentences)


@pytest.mark.parametrize("content", ["", "\n\n \n", "\ufeff"])
def test_a_file_without_sentences(tmp_path, content):
    path = tmp_path / "empty.conll09"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=re.escape(f"{path} has no sentence")):
        list(read_conll2009(str(path)))
    # From lines it is legal.
    assert parse(content) == []


def test_a_missing_file(tmp_path):
    path = tmp_path / "missing.conll09"
    with pytest.raises(ConfigurationError, match=re.escape(f"'{path}' does not exist")):
        list(read_conll2009(str(path)))


def long_content() -> bytes:
    """Long enough that what is left of a file cut off near its end has many sentences, and hard to compress."""
    generator = random.Random(0)
    sentences = [row(1, f"word{generator.random()}", 0, "root") for _ in range(5000)]
    return text(*sentences).encode("utf-8")


@pytest.mark.parametrize("suffix, compress", [(".gz", gzip.compress), (".xz", lzma.compress)])
def test_compressed_files_that_are_cut_off(tmp_path, suffix, compress):
    path: Path = tmp_path / f"file{suffix}"
    compressed = compress(long_content())
    path.write_bytes(compressed[:-500])
    sentences = []
    with pytest.raises(ConfigurationError, match="could not be read to its end") as caught:
        for sentence in read_conll2009(str(path)):
            sentences.append(sentence)
    assert str(path) in str(caught.value) and f"after {len(sentences)} sentences" in str(caught.value)
    assert sentences


@pytest.mark.parametrize(
    "suffix, compress, first_byte", [(".gz", gzip.compress, 10), (".xz", lzma.compress, 30)]
)
def test_compressed_files_that_are_damaged(tmp_path, suffix, compress, first_byte):
    path: Path = tmp_path / f"file{suffix}"
    compressed = bytearray(compress(long_content()))
    # Behind the header, where gzip's own checks no longer look but those of zlib.
    compressed[first_byte : first_byte + 200] = b"\xff" * 200
    path.write_bytes(compressed)
    with pytest.raises(ConfigurationError, match=re.escape(f"{path} could not be read")):
        list(read_conll2009(str(path)))


@pytest.mark.parametrize("suffix", [".gz", ".xz"])
def test_a_plain_file_with_the_name_of_a_compressed_one(tmp_path, suffix):
    path: Path = tmp_path / f"file{suffix}"
    path.write_text(text(RAIN))
    with pytest.raises(ConfigurationError, match=re.escape(f"{path} could not be read")):
        list(read_conll2009(str(path)))


def test_a_folder(tmp_path):
    with pytest.raises(ConfigurationError, match=re.escape(str(tmp_path))):
        list(read_conll2009(str(tmp_path)))


def test_syntax_is_gold_or_predicted():
    with pytest.raises(ConfigurationError, match="syntax must be 'gold' or 'predicted', got 'silver'"):
        parse(text(RAIN), "silver")
