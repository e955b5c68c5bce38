from dataclasses import replace
from typing import List

import pytest
from allennlp.common.checks import ConfigurationError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from allennlp_graphmask.data.dataset_readers.propbank_srl import (
    DependencySentence,
    Predicate,
    format_conll2009,
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
    text,
)
from tests.data.malformed import refused

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
    lines = [line + "\n" for line in content.split("\n")]
    return [block.get_sentence() for block in parse_conll2009(lines, "a file", syntax)]


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
    found = [block.get_sentence() for block in read_conll2009(str(path))]
    assert found == parse(text(SHE_PLANS_TO_WIN, RAIN))


@pytest.mark.parametrize(
    "num_columns, predicates",
    [(12, ()), (13, (Predicate(1), Predicate(3))), (14, (Predicate(1, "plans.01"), Predicate(3, "win.01")))],
)
def test_files_for_prediction_have_no_roles(num_columns, predicates):
    sentences = parse(text(columns(SHE_PLANS_TO_WIN, num_columns), columns(RAIN, num_columns)))
    assert sentences[0].predicates == predicates
    assert all(predicate.roles is None for sentence in sentences for predicate in sentence.predicates)


@given(st.lists(dependency_sentences(), min_size=1, max_size=4))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_is_written_is_read(sentences):
    expected = [
        DependencySentence(**{**vars(sentence), "sentence_id": str(number)})
        for number, sentence in enumerate(sentences, start=1)
    ]
    assert parse(text(*map(as_conll, sentences))) == expected


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
        universal_tags=gold.universal_tags[::-1],
        features=gold.features[::-1],
    )
    for syntax, sentence in (("gold", gold), ("predicted", predicted)):
        [read] = parse(text(as_conll(gold, predicted)), syntax)
        assert read == DependencySentence(**{**vars(sentence), "sentence_id": "1"})


# The malformed sentence comes after a sound one of 4 lines and an empty one: its first line is line 6.
MALFORMED = {
    "too few columns": (columns(RAIN, 11), 6, "11 columns"),
    "spaces for tabs": (RAIN.replace("\t", " "), 6, "1 column,"),
    "columns differ": (RAIN + "\t_", 7, "16 columns, but line 6"),
    "last line cut off": (RAIN[:-6], 7, "columns, but line 6"),
    "role column too many": (RAIN.replace("\n", "\t_\n") + "\t_", 6, "1 predicates (FILLPRED = Y), but 2"),
    "role column too few": (change(RAIN, 1, FILLPRED, "Y"), 6, "2 predicates (FILLPRED = Y), but 1"),
    "roles of no predicate": (change(RAIN, 0, FILLPRED, "_"), 6, "0 predicates (FILLPRED = Y), but 1"),
    "roles missing in one sentence": (columns(RAIN, 14), 6, "The sentence at line 1 has columns of roles"),
    "head out of range": (change(RAIN, 1, HEAD, "3"), 7, "HEAD is 3, but the sentence has 2 tokens"),
    "negative head": (change(RAIN, 1, HEAD, "-1"), 7, "HEAD is '-1'"),
    "head is a word": (change(RAIN, 1, HEAD, "one"), 7, "HEAD is 'one'"),
    "head is a fraction": (change(RAIN, 1, HEAD, "1.0"), 7, "HEAD is '1.0'"),
    "head in other digits": (change(RAIN, 1, HEAD, "\u0661"), 7, "HEAD is '\u0661'"),
    "head is a superscript": (change(RAIN, 1, HEAD, "\u00b2"), 7, "HEAD is '\u00b2'"),
    "head of very many digits": (change(RAIN, 1, HEAD, "1" * 5000), 7, "1111, but the sentence has 2 tokens"),
    "head is empty": (change(RAIN, 1, HEAD, ""), 7, "HEAD is ''"),
    "no gold tree": (change(RAIN, 1, HEAD, "_"), 7, "HEAD is '_'"),
    "an ID is left out": (change(RAIN, 1, ID, "3"), 7, "ID is '3', expected '2'"),
    "ID from 0": (change(RAIN, 0, ID, "0"), 6, "ID is '0', expected '1'"),
    "no empty line": (RAIN + "\n" + RAIN, 8, "ID is '1', expected '3'"),
    "cycle": (change(RAIN, 0, HEAD, "2"), 6, "1 (Raining) <- 2 (.) <- 1 (Raining)"),
    "own head": (change(RAIN, 1, HEAD, "2"), 7, "2 (.) <- 2 (.)"),
    "FILLPRED": (change(RAIN, 1, FILLPRED, "yes"), 7, "FILLPRED is 'yes'"),
    "no FORM": (change(RAIN, 1, FORM, ""), 7, "FORM"),
    "not UTF-8": (change(RAIN, 1, FORM, "\xe9"), 7, "0xe9 at column 3"),
}


@pytest.mark.parametrize("malformed, line, expected", MALFORMED.values(), ids=MALFORMED)
def test_malformed_sentences_are_named_by_file_and_line(tmp_path, malformed, line, expected):
    path = tmp_path / "damaged.conll09"
    encoding = "latin-1" if "\xe9" in malformed else "utf-8"
    path.write_text(text(SHE_PLANS_TO_WIN, malformed, RAIN), encoding=encoding)
    before, wrong, after = read_conll2009(str(path))
    with refused(f"{path}, line {line}: ", expected):
        wrong.get_sentence()
    # The others can be read.
    assert before.get_sentence() == SENTENCE and after.get_sentence().words == ("Raining", ".")


@pytest.mark.parametrize("value", ["_", "9"])
def test_predicted_heads_are_named_as_such(value):
    sentence = text(change(RAIN, 1, PHEAD, value))
    parse(sentence)
    with refused("line 2: ", "PHEAD", value):
        parse(sentence, "predicted")


def test_roles_that_only_a_later_sentence_has():
    with refused("a file, line 4: ", "the sentence at line 1"):
        parse(text(columns(RAIN, 14), RAIN))


@pytest.mark.parametrize("content", ["", "\n\n \n", "\ufeff"])
def test_a_file_without_sentences(tmp_path, content):
    path = tmp_path / "empty.conll09"
    path.write_text(content, encoding="utf-8")
    with refused(f"{path} has no sentence"):
        list(read_conll2009(str(path)))
    # From lines it is legal.
    assert parse(content) == []


def test_syntax_is_gold_or_predicted():
    with refused("'silver'"):
        parse(text(RAIN), "silver")


CONLLU = """\
1-2\tCannot\t_\t_\t_\t_\t_\t_\t_\t_
1\tCan\tcan\tAUX\tMD\t_\t0\troot\t0:root\t_
2\tnot\tnot\tPART\tRB\t_\t1\tadvmod\t1:advmod\t_
"""


@pytest.mark.parametrize("comments", ["", "# sent_id = a\n# text = Cannot\n"])
@pytest.mark.parametrize("further_columns", ["", "\t_\tV"])
def test_conllu_is_recognised(tmp_path, comments, further_columns):
    file = tmp_path / "dev.conllu"
    file.write_text(comments + CONLLU.replace("\n", further_columns + "\n") * 3)
    with refused(f"{file}, line 1: ", "CoNLL-U", "CoNLL-2009"):
        list(read_conll2009(str(file)))


@pytest.mark.parametrize("malformed", [malformed for malformed, _, _ in MALFORMED.values()], ids=MALFORMED)
def test_other_malformed_sentences_are_not_taken_for_conllu(malformed):
    assert len(list(parse_conll2009(text(malformed, RAIN).split("\n"), "a file"))) == 2


def test_predicates_are_written_in_the_order_of_their_tokens():
    mixed = replace(SENTENCE, predicates=SENTENCE.predicates[::-1])
    [read] = parse(format_conll2009(mixed))
    assert read.predicates == SENTENCE.predicates
    with pytest.raises(ValueError, match="several predicates"):
        format_conll2009(replace(SENTENCE, predicates=(SENTENCE.predicates[0],) * 2))


def test_an_empty_role_is_refused():
    lines = text(SHE_PLANS_TO_WIN).split("\n")
    lines[0] = "\t".join([*lines[0].split("\t")[:-1], ""])
    with pytest.raises(ConfigurationError, match="a file, line 1: the role in column"):
        parse("\n".join(lines))
