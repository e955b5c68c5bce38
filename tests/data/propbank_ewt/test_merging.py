"""UD English EWT merged with PropBank: on two sentences written here, and on documents of the real data."""

import lzma
from pathlib import Path
from typing import Any, Dict, List, Tuple

import pytest

from allennlp_graphmask.data.dataset_readers import Conll2009SrlReader
from allennlp_graphmask.data.dataset_readers.propbank_srl import DependencySentence, Predicate, read_conll2009
from allennlp_graphmask.data.propbank_ewt import SplitCounts, merge_propbank_ewt
from tests.data.malformed import refused
from tests.data.real_data import DATA, needs_data

CONLLU = """\
# newdoc id = reviews-007
# sent_id = reviews-007-0001
1\tThe\tthe\tDET\tDT\t_\t2\tdet\t_\t_
2\tmen\tman\tNOUN\tNNS\tNumber=Plur\t3\tnsubj\t_\t_
3\tset\tset\tVERB\tVBD\t_\t0\troot\t_\t_
4\tit\tit\tPRON\tPRP\t_\t3\tobj\t_\t_
5\tup\tup\tADP\tRP\t_\t3\tcompound:prt\t_\t_
6\tto\tto\tPART\tTO\t_\t7\tmark\t_\t_
7\tleave\tleave\tVERB\tVB\t_\t3\tadvcl\t_\t_

# sent_id = reviews-007-0002
1\tGood\tgood\tADJ\tJJ\t_\t0\troot\t_\t_
"""
SKELETON = """\
google/ewt/reviews/00/007.xml  0  0  [WORD]  DT   (TOP(S(NP*  -      -          (ARG0*      (ARG0*
google/ewt/reviews/00/007.xml  0  1  [WORD]  NNS  *)          -      -          *)          *)
google/ewt/reviews/00/007.xml  0  2  [WORD]  VBD  (VP*        set    set_up.03  (V*)        *
google/ewt/reviews/00/007.xml  0  3  [WORD]  PRP  (NP*)       -      -          (ARG1*)     *
google/ewt/reviews/00/007.xml  0  4  [WORD]  RP   *           -      -          (C-V*)      *
google/ewt/reviews/00/007.xml  0  5  [WORD]  TO   (S(VP*      -      -          (ARGM-PRP*  *
google/ewt/reviews/00/007.xml  0  6  [WORD]  VB   *))))       leave  leave.01   *)          (V*)

google/ewt/reviews/00/007.xml  1  0  [WORD]  JJ   (TOP(ADJP*))  -  -
"""
MERGED = DependencySentence(
    words=("The", "men", "set", "it", "up", "to", "leave"),
    lemmas=("the", "man", "set", "it", "up", "to", "leave"),
    parts_of_speech=("DT", "NNS", "VBD", "PRP", "RP", "TO", "VB"),
    heads=(1, 2, -1, 2, 2, 6, 2),
    dependency_labels=("det", "nsubj", "root", "obj", "compound:prt", "mark", "advcl"),
    predicates=(
        Predicate(2, "set_up.03", {1: "A0", 3: "A1", 4: "C-V", 6: "AM-PRP"}),
        Predicate(6, "leave.01", {1: "A0"}),
    ),
    sentence_id="1",
    universal_tags=("DET", "NOUN", "VERB", "PRON", "ADP", "PART", "VERB"),
    features=("_", "Number=Plur", "_", "_", "_", "_", "_"),
)


def merge(folder: Path, conllu: str = CONLLU, skeleton: str = SKELETON) -> Tuple[Dict[str, SplitCounts], List[str]]:
    """Laid out as in the checkouts; what was reported comes with the counts."""
    ud, document = (
        folder / "ud" / "en_ewt-ud-dev.conllu",
        folder / "propbank/data/google/ewt/reviews/00/007.xml.gold_skel",
    )
    for path, content in ((ud, conllu), (document, skeleton)):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="latin-1")
    reports: List[str] = []
    counts = merge_propbank_ewt(folder / "ud", folder / "propbank", folder / "out", reports.append)
    return counts, [
        report.replace(f"{folder}/", "").replace("propbank/data/google/ewt/reviews/00/", "") for report in reports
    ]


def read(path: Path) -> List[DependencySentence]:
    return [one.get_sentence() for one in read_conll2009(str(path))]


def test_roles_go_to_the_heads_of_their_spans(tmp_path) -> None:
    counts, reports = merge(tmp_path)
    assert reports == [] and list(counts) == ["dev"]
    merged, good = read(tmp_path / "out" / "ewt_dev.conll09.xz")
    assert merged == MERGED and (good.words, good.predicates) == (("Good",), ())
    assert str(counts["dev"]).endswith(
        "2 sentences, 2 predicates (2 with an argument), 5 arguments, 4 roles; 0 sentences left out"
    )
    with refused("PHEAD is '_'"):
        list(Conll2009SrlReader("clearnlp", syntax="predicted").read(tmp_path / "out" / "ewt_dev.conll09.xz"))


#: What is changed in the skeleton's first sentence, and what is reported.
MALFORMED: Dict[str, Tuple[Tuple[str, str], List[str]]] = {
    "a column too few": (("(C-V*)      *", "(C-V*)"), ["007.xml.gold_skel, line 5", "9 columns"]),
    "a token's number": (("0  3  [", "0  4  ["), ["007.xml.gold_skel, line 4", "'4', expected '3'"]),
    "a sense too many": (("RP   *           -      -  ", "RP * up up.01 "), ["007.xml.gold_skel, line 1", "3 tokens"]),
    "a bracket that is not open": (("(C-V*)", "(C-V*))"), ["007.xml.gold_skel, line 5", "column 9", "'(C-V*))'"]),
    "a bracket that is not closed": (("*)          (V*)", "*           (V*)"), ["line 7", "column 9", "'(ARGM-PRP*'"]),
    "a cell that is not a bracket": (("(C-V*)", "C-V"), ["007.xml.gold_skel, line 5", "'C-V'"]),
    "not UTF-8": (("[WORD]  RP", "\xe9  RP"), ["007.xml.gold_skel, line 5", "0xe9"]),
}


@pytest.mark.parametrize("change, expected", MALFORMED.values(), ids=MALFORMED)
def test_sentences_that_do_not_fit_are_reported_and_left_out(tmp_path, change, expected) -> None:
    assert SKELETON.count(change[0]) == 1
    counts, [report] = merge(tmp_path, skeleton=SKELETON.replace(*change))
    assert [text for text in expected if text not in report] == []
    assert counts["dev"].num_left_out == 1
    assert [sentence.words for sentence in read(counts["dev"].path)] == [("Good",)]


#: What is changed in both, and what is reported, and how many sentences are left out.
NOTED: List[Tuple[str, str, str, int]] = [
    (
        "NNS  *)",
        "NN   *)",
        "ud/en_ewt-ud-dev.conllu, sentence at line 1 (reviews-007-0001): 'men' is tagged NNS, but NN",
        0,
    ),
    ("(V*)        *", "*           *", "set_up.03 has no V at its token 2", 0),
    ("*           -      -          (C-V*) ", "*           -      -          (ARG1*)", "", 0),
    (
        "*))  -  -",
        "*    -  -\ngoogle  1  1  [WORD]  .  *))  -  -",
        "(reviews-007-0002): 1 tokens, but 2 in 007.xml.gold_skel, line 9",
        1,
    ),
    ("  1  0  [", "  2  0  [", "007.xml.gold_skel has no sentence 1", 1),
]


@pytest.mark.parametrize("old, new, expected, num_left_out", NOTED)
def test_what_else_is_reported(tmp_path, old, new, expected, num_left_out) -> None:
    assert SKELETON.count(old) == 1
    counts, reports = merge(tmp_path, skeleton=SKELETON.replace(old, new))
    assert counts["dev"].num_left_out == num_left_out
    assert any(expected in report for report in reports) == bool(reports)
    assert bool(reports) == bool(expected)


def test_two_roles_of_a_word(tmp_path) -> None:
    skeleton = SKELETON.replace("(ARG0*      (ARG0*", "(ARG0*      (ARG0(ARG1*").replace(
        "*)          *)\n", "*)          *))\n"
    )
    counts, [report] = merge(tmp_path, skeleton=skeleton)
    assert report.startswith("007.xml.gold_skel, line 1") and "A1 and A0 of leave.01" in report and "'men'" in report
    assert read(counts["dev"].path)[0].predicates[1] == Predicate(6, "leave.01", {1: "A1"})


def test_documents_and_sentences_of_one_side_are_named(tmp_path) -> None:
    conllu = CONLLU.replace("007-0002", "008-0002") + "\n# sent_id = 7\n1\tGood\tgood\tADJ\tJJ\t_\t0\troot\t_\t_\n"
    counts, reports = merge(tmp_path, conllu)
    missing, unnamed, unused = reports
    assert "line 11 (reviews-008-0002): there is no document 008.xml.gold_skel" in missing
    assert "line 14 (7)" in unnamed and "sent_id" in unnamed
    assert unused.startswith("007.xml.gold_skel, sentence 1")
    assert counts["dev"].num_left_out == 2


@pytest.mark.parametrize("fitting", [True, False])
def test_a_file_appears_when_it_is_complete(tmp_path, fitting) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "ewt_dev.conll09.xz").write_text("from before")
    if fitting:
        merge(tmp_path)
        assert len(read(tmp_path / "out" / "ewt_dev.conll09.xz")) == 2
    else:
        with refused("'dev'", str(tmp_path / "ud"), str(tmp_path / "propbank")):
            merge(tmp_path, CONLLU.replace("007-", "008-"))
        assert (tmp_path / "out" / "ewt_dev.conll09.xz").read_text() == "from before"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["ewt_dev.conll09.xz"]


def test_folders_without_data_are_named(tmp_path) -> None:
    merge(tmp_path)
    for ud, propbank, expected in (("out", "propbank", "UD_English-EWT"), ("ud", "out", "propbank-release")):
        with refused(str(tmp_path / "out"), expected):
            merge_propbank_ewt(tmp_path / ud, tmp_path / propbank, tmp_path / "other", print)
    document = tmp_path / "propbank/data/google/ewt/reviews/00/007.xml.gold_skel"
    (document.parents[1] / "01").mkdir()
    (document.parents[1] / "01" / document.name).write_text(SKELETON)
    with refused(str(document), "the same document"):
        merge_propbank_ewt(tmp_path / "ud", tmp_path / "propbank", tmp_path / "other", print)
    assert not (tmp_path / "other").exists()


GOLD_COLUMNS = (1, 2, 4, 6, 8, 10)


def sentences_by_gold_columns(path: Path) -> Dict[Any, str]:
    """The text of each sentence by its gold columns, roles included."""
    blocks = lzma.open(path, "rt", encoding="utf-8").read().rstrip("\n").split("\n\n")
    rows = [[line.split("\t") for line in block.split("\n")] for block in blocks]
    gold = [tuple((*(row[column] for column in GOLD_COLUMNS), *row[12:]) for row in sentence) for sentence in rows]
    return dict(zip(gold, blocks))


def instance_contents(path: Path) -> List[Any]:
    instances = Conll2009SrlReader("universal_dependencies").read(path)
    return [({**one["metadata"].metadata}, one["roles"].labels, one["graph"].labels) for one in instances]


@needs_data
def test_real_documents_equal_the_merged_files(tmp_path) -> None:
    sources, reports = DATA / "propbank_ewt" / "sources", []
    counts = merge_propbank_ewt(sources / "ud", sources / "propbank", tmp_path, reports.append)
    assert {split: (one.num_sentences, one.num_left_out) for split, one in counts.items()} == {
        "train": (192, 0),
        "dev": (35, 0),
    }
    [report] = reports
    assert "reviews-342811-0001" in report and "tagged NN, but RB" in report
    for split, one in counts.items():
        known = sentences_by_gold_columns(DATA / "propbank_ewt" / f"ewt_{split}.conll09.xz")
        found = sentences_by_gold_columns(one.path)
        assert set(known).issuperset(found)
        corresponding, ours = tmp_path / "corresponding.conll09", tmp_path / "ours.conll09"
        corresponding.write_text("\n\n".join(known[sentence] for sentence in found))
        ours.write_text("\n\n".join(found.values()))
        assert instance_contents(corresponding) == instance_contents(ours) != []
