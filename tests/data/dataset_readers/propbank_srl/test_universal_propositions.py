"""CoNLL-U, with and without the columns of Universal Propositions, and their reader."""

from pathlib import Path
from typing import Dict, List

import pytest

from allennlp_graphmask.data.dataset_readers import Conll2009SrlReader, UniversalPropositionsReader
from allennlp_graphmask.data.dataset_readers.propbank_srl import DependencySentence, Predicate
from allennlp_graphmask.data.dataset_readers.propbank_srl.conllu import parse_conllu, read_conllu
from tests.data.dataset_readers.propbank_srl.conll_text import change
from tests.data.malformed import refused
from tests.data.real_data import DATA, needs_data

FIXTURE = Path(__file__).parents[4] / "fixtures" / "universal_propositions" / "sentences.conllu"
FIRST, RELATIVE, PARTICLE, FINE_DAY, ELLIPSIS, SPEECH = FIXTURE.read_text().rstrip("\n").split("\n\n")
#: Where the columns are, from 0.
ID, FORM, XPOS, HEAD, SENSE, ROLES = 0, 1, 4, 6, 10, 11


def read(path: object) -> List[DependencySentence]:
    return [one.get_sentence() for one in read_conllu(str(path), propositions=True)]


def describe(sentence: DependencySentence) -> Dict[str, str]:
    """The arguments of each predicate, in words."""
    return {
        f"{sentence.words[predicate.index]} {predicate.sense}": " ".join(
            f"{role}:{sentence.words[token]}" for token, role in sorted((predicate.roles or {}).items())
        )
        for predicate in sentence.predicates
    }


def test_a_sentence() -> None:
    assert read(FIXTURE)[2] == DependencySentence(
        words=("They", "gave", "the", "boat", "up", "at", "dawn", "."),
        lemmas=("they", "give", "the", "boat", "up", "at", "dawn", "."),
        parts_of_speech=("PRP", "VBD", "DT", "NN", "RP", "IN", "NN", "."),
        heads=(1, -1, 3, 1, 1, 6, 1, 1),
        dependency_labels=("nsubj", "root", "det", "obj", "compound:prt", "case", "obl", "punct"),
        # The second word of the predicate is not an argument.
        predicates=(Predicate(1, "give_up.08", {0: "A0", 3: "A1", 6: "AM-TMP"}),),
        sentence_id="harbour-0003",
        universal_tags=("PRON", "VERB", "DET", "NOUN", "ADP", "ADP", "NOUN", "PUNCT"),
        features=("_", "_", "_", "Number=Sing", "_", "_", "Number=Sing", "_"),
    )


def test_the_other_sentences() -> None:
    first, relative, _, fine_day, ellipsis, speech = map(describe, read(FIXTURE))
    assert first == {"lit light.02": "A0:keeper A1:lamp AM-CAU:needed", "needed need.01": "A0:ships A1:it"}
    assert relative == {
        "had have.01": "",
        "expected expect.01": "A1:storm R-A1:that A0:few",
        "broke break.01": "A0:storm A1:mast",
    }
    assert fine_day == {}
    # The elided verb is not a token.
    assert ellipsis == {"sold sell.01": "A0:She A1:nets"} and len(read(FIXTURE)[4]) == 8
    assert speech["said say.01"] == "A1:sink A0:pilot C-A1:slow"


def test_instances() -> None:
    instances = list(UniversalPropositionsReader().read(FIXTURE))
    assert len(instances) == 10
    assert instances[0]["roles"].labels == ["_", "A0", "_", "_", "A1", "_", "_", "_", "AM-CAU", "_", "_"]
    assert instances[0]["metadata"]["dependency_scheme"] == "universal_dependencies"
    assert len(list(UniversalPropositionsReader(predicates="with_arguments").read(FIXTURE))) == 9


def test_tokens_that_are_written_together_and_languages_without_tags_of_their_own() -> None:
    lines = [
        "1-2\tzum\t_\t_\t_\t_\t_\t_\t_\t_",
        "1\tzu\tzu\tADP\t_\t_\t0\troot\t_\t_",
        "2\tdem\tder\t_\t_\t_\t1\tdet\t_\t_",
    ]
    [one] = parse_conllu(lines, "lines", propositions=False)
    sentence = one.get_sentence()
    assert (sentence.words, sentence.sentence_id, sentence.predicates) == (("zu", "dem"), "1", ())
    assert (sentence.parts_of_speech, sentence.universal_tags) == (("ADP", "_"), ("ADP", ""))


LINE = FIRST.split("\n")
MALFORMED = {
    # The sentence starts at line 6; three comments come before its tokens.
    "no propositions": ("\n".join("\t".join(line.split("\t")[:10]) for line in LINE), 9, "10 columns"),
    "too few columns": ("\n".join("\t".join(line.split("\t")[:9]) for line in LINE), 9, "9 columns"),
    "columns differ": (FIRST + "\t_", 19, "14 columns, but line 9"),
    "a role column too many": ("\n".join(line + "\t_" * (line[0] != "#") for line in LINE), 9, "2 predicates"),
    "a predicate too many": (change(FIRST, 3, SENSE, "the.01"), 9, "3 predicates"),
    "a role column without a predicate": (FINE_DAY.replace("\t\n", "\tV\n") + "V", 8, "0 predicates"),
    "the predicate is elsewhere": (change(FIRST, 5, ROLES, "_"), 11, "'light.02', is '_'"),
    "an empty sense": (change(FIRST, 5, SENSE, ""), 11, "sense"),
    "an empty role": (change(FIRST, 6, ROLES, ""), 12, "role in column 12"),
    "HEAD": (change(FIRST, 4, HEAD, "12"), 10, "12"),
    "no tree": (change(FIRST, 4, HEAD, "_"), 10, "'_'"),
    "a cycle": (change(FIRST, 5, HEAD, "2"), 10, "2 (keeper) <- 3 (lit) <- 2 (keeper)"),
    "ID": (change(FIRST, 4, ID, "3"), 10, "'3'"),
    "an ID that is nearly a range": (change(FIRST, 4, ID, "2-"), 10, "'2-'"),
    "no FORM": (change(FIRST, 4, FORM, ""), 10, "FORM"),
    "comments only": ("# sent_id = 3\n# text =", 6, "token"),
    "not UTF-8": (change(FIRST, 4, FORM, "\xe9"), 10, "0xe9"),
}


@pytest.mark.parametrize("malformed, line, expected", MALFORMED.values(), ids=MALFORMED)
def test_malformed_sentences_are_named_by_file_and_line(tmp_path, malformed, line, expected) -> None:
    path = tmp_path / "damaged.conllu"
    before = FINE_DAY.split("\n", 2)[2]  # four lines, after which an empty one comes
    path.write_text(
        "\n\n".join([before, malformed, PARTICLE, ""]), encoding="latin-1" if "\xe9" in malformed else "utf-8"
    )
    first, wrong, last = read_conllu(str(path), propositions=True)
    with refused(f"{path}, line {line}: ", expected):
        wrong.get_sentence()
    assert first.get_sentence().words == ("A", "fine", "day", "!") and last.get_sentence().words[1] == "gave"


@pytest.mark.parametrize("content", ["", "\n\n"])
def test_a_file_without_sentences(tmp_path, content) -> None:
    (tmp_path / "empty.conllu").write_text(content)
    with refused(f"{tmp_path / 'empty.conllu'} has no sentence"):
        read(tmp_path / "empty.conllu")


def test_each_reader_names_the_other_ones_format() -> None:
    conll2009 = FIXTURE.parents[1] / "propbank" / "dev.conll09"
    with refused(f"{conll2009}, line 1: ", "CoNLL-2009", "'conll2009_srl'"):
        list(UniversalPropositionsReader().read(conll2009))
    with refused(f"{FIXTURE}, line 1: ", "CoNLL-U", "'universal_propositions'"):
        list(Conll2009SrlReader("universal_dependencies").read(FIXTURE))


# Of the real file, as its columns have them; read by hand.
BY_HAND = {
    "weblog-blogspot.com_nominations_20041117172713_ENG_20041117_172713-0001": {"comes come.03": "A2:AP A1:story"},
    "weblog-blogspot.com_nominations_20041117172713_ENG_20041117_172713-0002": {
        "nominated nominate.01": "A0:President AM-TMP:Tuesday A1:individuals A2:replace",
        "replace replace.01": "A0:individuals A1:jurists",
    },
    "weblog-blogspot.com_aggressivevoicedaily_20060814163400_ENG_20060814_163400-0005": {
        "contest contest.02": "AM-LOC:international A2:cartoons",
        "opened open.02": "A1:contest AM-LOC:Tehran AM-CAU:response",
        "response respond.01": "A1:publication",
        "publication publish.01": "AM-LOC:papers AM-TMP:September A1:caricatures",
    },
    "weblog-blogspot.com_thelameduck_20041119192207_ENG_20041119_192207-0018": {
        "cried cry.01": "A0:America A1:wolf AM-LOC:Iraq",
        "’s be.01": "A1:what A2:scary",
        "scary scary.03": "A0:what",
        "is be.01": "A1:scary A2:get",
        "get get.01": "AM-TMP:sooner A0:wolf AM-MOD:will AM-ADV:probably A1:us",
    },
    "weblog-blogspot.com_tacitusproject_20040712123425_ENG_20040712_123425-0015": {
        "'s be.01": "A1:It A2:loan AM-ADV:way C-A2:guy",
        "loan loan.01": "A0:guy",
        "way way.01": "",
        "named name.01": "A1:guy A2:Joe",
    },
    "weblog-typepad.com_ripples_20050410122300_ENG_20050410_122300-0017": {
        "be be.01": "AM-MNR:Ben A1:I AM-MOD:will AM-TMP:still A2:involved",
        "involved involve.01": "AM-ADV:Ben A1:I AM-MOD:will AM-TMP:still AM-EXT:much A2:project",
    },
    "weblog-juancole.com_juancole_20040404101100_ENG_20040404_101100-0009": {
        "excluded exclude.01": "A0:They AM-MNR:actively A1:hands"
    },
    "email-enronsent23_13-0002": {
        "use use.01": "A0:I AM-ADV:definitely AM-MOD:could A1:drink",
        "do do.02": "AM-ADV:actually A3:couple AM-MOD:would AM-ADV:probably AM-MNR:better",
    },
    "email-enronsent23_11-0012": {"are be.03": "", "kidding kid.01": "A0:you"},
    "email-enronsent23_14-0015": {
        "do do.01": "",
        "mean mean.01": "A2:what A0:you AM-ADV:perverted",
        "am be.01": "A1:i A2:perverted",
    },
    "email-enronsent20_02-0007": {
        "enjoyed enjoy.01": "A0:I A1:working",
        "working work.01": "A0:I A3:all AM-TMP:years A2:Azurix",
        "wish wish.01": "A0:I A2:you A1:all",
    },
    "email-enronsent05_01-0005": {
        "is be.03": "",
        "acting act.02": "A1:premise R-A1:which A0:administartion",
        "is be.01": "A1:premise A2:sets",
        "suspend suspend.01": "A0:they AM-MNR:expeditiously A1:right AM-MNR:quickly",
        "right right.05": "A1:everyone A2:contracts",
        "sets set_up.03": "AM-ADV:suspend A0:it A1:barrier",
        "access access.01": "AM-MNR:direct",
        "break break_through.26": "A1:barrier R-A1:which A0:coalition AM-MOD:must",
    },
}


@needs_data
def test_real_sentences() -> None:
    sentences = read(DATA / "srl_formats" / "en_ewt-up-dev.first300.conllu")
    predicates = [predicate for sentence in sentences for predicate in sentence.predicates]
    assert (len(sentences), len(predicates)) == (300, 1138)
    # The cells of the columns of roles but for '_', 'V' and the empty ones, as counted by grep.
    assert sum(len(predicate.roles or {}) for predicate in predicates) == 2234
    found = {sentence.sentence_id: describe(sentence) for sentence in sentences}
    assert {name: found[name] for name in BY_HAND} == BY_HAND
