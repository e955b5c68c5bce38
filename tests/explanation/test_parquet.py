"""Explanations in Parquet files: what is written is read, by us and by others, and errors name file, row and place."""

import random
from pathlib import Path
from typing import List

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from allennlp_graphmask.explanation import Explanation, ExplanationFormatError, read_explanations, write_explanations
from allennlp_graphmask.explanation.forms import Parquet, choose_form
from tests.explanation.explanations import (
    attribution,
    build,
    entity_explanation,
    question_explanation,
    role_explanation,
)
from tests.explanation.test_explanation import explanations

pyarrow = pytest.importorskip("pyarrow", reason="Parquet files need the extra `table`")
table = pytest.importorskip("allennlp_graphmask.explanation._parquet")

WITHOUT_EDGES = build({"attribution": attribution(1, [], [[], []])})
SEVERAL = [
    role_explanation(),
    entity_explanation(),
    question_explanation(["In Mumbai."], [(0, 3, 9)]),
    WITHOUT_EDGES,
    role_explanation(note="\u2028 \ud800 \r").kept_only(),
    role_explanation().threshold(0.5),
]


@pytest.mark.parametrize("written", [SEVERAL, [], [WITHOUT_EDGES]])
def test_what_is_written_is_read(tmp_path, written: List[Explanation]) -> None:
    path = tmp_path / "explanations.parquet"
    assert write_explanations(path, iter(written)) == len(written)
    read = list(read_explanations(path.rename(tmp_path / "of_any_name")))
    assert read == written and [one.to_json_line() for one in read] == [one.to_json_line() for one in written]


@given(st.lists(explanations(), max_size=3))
def test_scores_in_double_precision_are_exact(written: List[Explanation]) -> None:
    assert list(table.from_batch(table.to_batch(written, "float64"))) == written


def test_others_can_read_it(tmp_path) -> None:
    write_explanations(tmp_path / "x.parquet", SEVERAL)
    read = pyarrow.parquet.read_table(tmp_path / "x.parquet")
    metadata = {key.decode(): value.decode() for key, value in read.schema.metadata.items()}
    assert metadata["schema"] == "allennlp_graphmask.explanation" and metadata["schema_version"] == "4"
    assert SEVERAL[0].provenance["weights_sha256"] in metadata["provenance"]
    assert read["tokens"].to_pylist() == [list(one.tokens) for one in SEVERAL]
    kept = [[numpy.flatnonzero(layer).tolist() for layer in one.edges.kept] for one in SEVERAL]
    assert read["kept"].to_pylist() == kept


def test_half_precision_keeps_decisions_and_three_digits() -> None:
    for one, read in zip(SEVERAL, table.from_batch(table.to_batch(SEVERAL, "float16"))):
        assert (read.edges.kept == one.edges.kept).all() and read.tokens == one.tokens
        assert numpy.allclose(read.edges.score, one.edges.score, rtol=1e-3, atol=0)


def test_a_score_that_is_too_large() -> None:
    large = build({"attribution": attribution(2, [(0, 1, "red")], [[1e6]])})
    assert list(table.from_batch(table.to_batch([large]))) == [large]
    with pytest.raises(ExplanationFormatError, match="float16"):
        table.to_batch([large], "float16")


def test_rows_of_several_batches_are_written_together(tmp_path) -> None:
    form = choose_form(tmp_path / "x.parquet")
    assert isinstance(form, Parquet)
    batches = [SEVERAL[:1], [], SEVERAL[1:]] * 300
    (tmp_path / "partial").write_bytes(b"".join(map(form.encode, batches)))
    with open(tmp_path / "partial", "rb") as file:
        assert list(form.decode(file)) == SEVERAL * 300
    form.complete(tmp_path / "partial", tmp_path / "x.parquet")
    assert [path.name for path in tmp_path.iterdir()] == ["x.parquet"]
    assert list(read_explanations(tmp_path / "x.parquet")) == SEVERAL * 300
    assert pyarrow.parquet.ParquetFile(tmp_path / "x.parquet").num_row_groups == 2


def test_what_rows_have_in_common_takes_room_once(tmp_path) -> None:
    numbers = random.Random(0)
    tokens = [numbers.randbytes(20).hex() for _ in range(30_000)]
    sizes = []
    for rows in (1, 2):
        explanation = question_explanation(["In Mumbai."], [(0, 3, 9)], tokens=tokens)
        write_explanations(tmp_path / "x.parquet", [explanation] * rows)
        sizes.append((tmp_path / "x.parquet").stat().st_size)
    assert sizes[1] < 1.1 * sizes[0]


def test_errors_name_file_and_row(tmp_path) -> None:
    path = tmp_path / "x.parquet"
    write_explanations(path, SEVERAL)
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    with pytest.raises(ExplanationFormatError, match="x.parquet"):
        list(read_explanations(path))
    read = pyarrow.parquet.read_table(tmp_path / rewrite(path, whole))
    for name, value, place in [
        ("num_layers", [1, 3, *[1] * 4], "row 1: num_layers is 1"),
        ("focus", ["{"] * 6, "row 1: .*JSON"),
        ("kind", None, "row 1: kind is missing"),
        ("score", None, "row 1: score is missing"),
    ]:
        number = read.schema.names.index(name)
        changed = read.remove_column(number)
        if value is not None:
            changed = changed.add_column(number, name, pyarrow.array(value))
        pyarrow.parquet.write_table(changed, path)
        with pytest.raises(ExplanationFormatError, match=rf"x\.parquet, {place}"):
            list(read_explanations(path))
    pyarrow.parquet.write_table(read.replace_schema_metadata({}), path)
    with pytest.raises(ExplanationFormatError, match="schema is None"):
        list(read_explanations(path))


def rewrite(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path
