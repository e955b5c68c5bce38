"""
Explanations in Parquet files, by pyarrow (`pip install pyarrow`): a row for each, as `docs/explanation_format.md`
describes. This module is imported where such a file is read or written and not before: as its name begins with `_`, AllenNLP leaves it out
when it imports a plugin.
"""

import itertools
import os
from typing import IO, Any, Callable, Dict, Iterable, Iterator, List, Sequence

import numpy
import pyarrow
import pyarrow.parquet

from allennlp_graphmask.explanation.explanation import Explanation
from allennlp_graphmask.explanation.schema import SCHEMA_NAME, SCHEMA_VERSION
from allennlp_graphmask.explanation.serialization import (
    ExplanationFormatError,
    dump_json,
    load_json,
    round_numbers,
)

#: The types in which scores can be stored. Single precision holds the six digits of explanations, which reading rounds to.
SCORE_TYPES = {"float16": numpy.float16, "float32": numpy.float32, "float64": numpy.float64}

#: Fields whose form depends on the task or the interpreter, as JSON.
_JSON_FIELDS = (
    "focus",
    "verification",
    "prediction",
    "divergence",
    "constraint",
    "interpreter",
    "provenance",
    "input",
    "metadata",
)
_EDGE_FIELDS = ("relations", "type", "source", "target", "score", "kept")
#: The type of scores that are read as they are.
_EXACT = pyarrow.list_(pyarrow.list_(pyarrow.float64()))
#: For small files that other programs can read, in less than the time of explaining.
_WRITER_OPTIONS: Dict[str, Any] = {
    "compression": "zstd",
    "compression_level": 11,
    # What rows have in common is found within a page only: a row group has one for each column.
    "data_page_size": 2**24,
    "use_dictionary": False,
    "column_encoding": {
        # Most scores differ, and only their first bytes are alike.
        "score.list.element.list.element": "BYTE_STREAM_SPLIT",
        # Positions ascend.
        "kept.list.element.list.element": "DELTA_BINARY_PACKED",
    },
}
#: A row group has at least as many, but the last: rows of many batches are smaller together.
MAX_ROWS = 1024


def to_batch(explanations: Sequence[Explanation], score_type: str = "float32") -> pyarrow.RecordBatch:
    """
    Return explanations as a table with a row for each.

    # Raises

    `ExplanationFormatError` if a score is too large for `score_type`.
    """
    columns: Dict[str, Any] = {
        "kind": pyarrow.array([one.kind for one in explanations], pyarrow.string()),
        "tokens": _lists([one.tokens for one in explanations], pyarrow.string()),
        "nodes": _nodes(explanations),
        "num_layers": pyarrow.array([one.num_layers for one in explanations], pyarrow.int32()),
        "num_edges": pyarrow.array([one.num_edges for one in explanations], pyarrow.int64()),
    }
    edges = [one.edges.compact() for one in explanations]
    columns["relations"] = _lists([one.relations for one in edges], pyarrow.string())
    for name in ("type", "source", "target"):
        columns[name] = _lists([getattr(one, name) for one in edges], pyarrow.int32())
    with numpy.errstate(over="ignore"):
        scores = [layer.astype(SCORE_TYPES[score_type]) for one in edges for layer in one.score]
    if not all(numpy.isfinite(layer).all() for layer in scores):
        raise ExplanationFormatError(f"A score is too large for {score_type}. Choose a type with a larger range.")
    kept = [numpy.flatnonzero(layer) for one in edges for layer in one.kept]
    num_layers = [one.num_layers for one in explanations]
    columns["score"] = _nested(num_layers, _lists(scores, pyarrow.from_numpy_dtype(SCORE_TYPES[score_type])))
    columns["kept"] = _nested(num_layers, _lists(kept, pyarrow.int32()))
    for name in _JSON_FIELDS:
        values = (getattr(one, name) for one in explanations)
        texts = [None if value is None else dump_json(value, default=vars) for value in values]
        columns[name] = pyarrow.array(texts, pyarrow.string())
    batch = pyarrow.RecordBatch.from_pydict(columns)
    return batch.replace_schema_metadata({"schema": SCHEMA_NAME, "schema_version": str(SCHEMA_VERSION)})


def _nodes(explanations: Sequence[Explanation]) -> pyarrow.Array:
    nodes = [node for one in explanations for node in one.nodes]
    fields = [pyarrow.array([node.text for node in nodes], pyarrow.string())]
    fields += [pyarrow.array([getattr(node, name) for node in nodes], pyarrow.int32()) for name in ("start", "end")]
    return _nested(
        [len(one.nodes) for one in explanations], pyarrow.StructArray.from_arrays(fields, ["text", "start", "end"])
    )


def _lists(values: Sequence[Any], value_type: pyarrow.DataType) -> pyarrow.Array:
    if values and isinstance(values[0], numpy.ndarray):
        flat = pyarrow.array(numpy.concatenate(values), value_type)
    else:
        flat = pyarrow.array(list(itertools.chain.from_iterable(values)), value_type)
    return _nested([len(value) for value in values], flat)


def _nested(lengths: Sequence[int], values: pyarrow.Array) -> pyarrow.Array:
    offsets = numpy.concatenate([[0], numpy.cumsum(lengths)]).astype(numpy.int32)
    return pyarrow.ListArray.from_arrays(pyarrow.array(offsets), values)


def from_batch(batch: pyarrow.RecordBatch) -> Iterator[Explanation]:
    """
    Yield the explanations of a table.

    # Raises

    `ExplanationFormatError` naming the row, from 1.
    """
    metadata = batch.schema.metadata or {}
    version = metadata.get(b"schema_version", b"").decode()
    fixed = {
        "schema": metadata.get(b"schema", b"").decode() or None,
        "schema_version": int(version) if version.isdigit() else version,
    }
    is_exact = "score" in batch.schema.names and batch.schema.field("score").type == _EXACT
    for number, row in enumerate(batch.to_pylist(), start=1):
        try:
            yield Explanation.from_dict({**fixed, **_read_row(row, is_exact)})
        except ValueError as error:
            raise ExplanationFormatError(f"row {number}: {error}") from error


def _read_row(row: Dict[str, Any], is_exact: bool) -> Dict[str, Any]:
    missing = [name for name in ("nodes", *_EDGE_FIELDS, *_JSON_FIELDS) if name not in row]
    if missing:
        raise ExplanationFormatError(f"{missing[0]} is missing.")
    edges = {name: row.pop(name) for name in _EDGE_FIELDS}
    if not is_exact:
        edges["score"] = [round_numbers(numpy.array(layer, dtype=float)).tolist() for layer in edges["score"] or ()]
    nodes = [{"id": number, **node} for number, node in enumerate(row["nodes"] or ())]
    texts = {name: None if row[name] is None else load_json(row[name]) for name in _JSON_FIELDS}
    return {**row, **texts, "nodes": nodes, "edges": edges}


def read_parquet(path: "str | os.PathLike[str]") -> Iterator[Explanation]:
    """
    Yield the explanations of a file.

    # Raises

    `ExplanationFormatError` naming the file, and the row in its row group.
    """
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            for number in range(file.num_row_groups):
                place = f", row group {number + 1}" if file.num_row_groups > 1 else ""
                for batch in file.read_row_group(number).to_batches():
                    yield from from_batch(batch)
    except pyarrow.ArrowException as error:
        raise ExplanationFormatError(f"{os.fspath(path)}: not a whole Parquet file ({error}).") from error
    except ExplanationFormatError as error:
        raise ExplanationFormatError(f"{os.fspath(path)}{place}, {error}") from error


def write_parquet(
    file: IO[bytes],
    batches: Iterable[pyarrow.RecordBatch],
    *,
    empty: pyarrow.RecordBatch,
    summarise: Callable[[], Dict[str, str]] = dict,
) -> None:
    """
    Write tables of `to_batch` to an open file, several to a row group; `empty`, a table without rows, if there is none. The
    provenance of the first row is in the file's metadata, too, and what `summarise` returns after the last one.
    """
    batches = iter(batches)
    first = next(batches, empty)
    provenance = first.column("provenance").to_pylist()[:1]
    metadata = {**first.schema.metadata, **({"provenance": provenance[0]} if provenance else {})}
    schema = first.schema.with_metadata(metadata)
    with pyarrow.parquet.ParquetWriter(file, schema, **_WRITER_OPTIONS) as writer:
        waiting: List[pyarrow.RecordBatch] = []
        for batch in itertools.chain([first], batches):
            waiting.append(batch.replace_schema_metadata(metadata))
            if sum(map(len, waiting)) >= MAX_ROWS:
                writer.write_table(pyarrow.Table.from_batches(waiting).combine_chunks())
                waiting = []
        if waiting:
            writer.write_table(pyarrow.Table.from_batches(waiting).combine_chunks())
        writer.add_key_value_metadata(summarise())


def read_summary(path: "str | os.PathLike[str]") -> Dict[str, str]:
    """Return the metadata of a file, of which its rows are not read."""
    metadata = pyarrow.parquet.read_metadata(path).metadata
    return {key.decode(): value.decode() for key, value in metadata.items()}


def read_streams(file: IO[bytes]) -> Iterator[pyarrow.RecordBatch]:
    """Yield the tables of Arrow's streams that stand one after another in a file."""
    size = os.fstat(file.fileno()).st_size
    while file.tell() < size:
        with pyarrow.ipc.open_stream(file) as stream:
            yield from stream


def write_all(
    file: IO[bytes],
    explanations: Iterable[Explanation],
    score_type: str = "float32",
    *,
    summarise: Callable[[], Dict[str, str]] = dict,
) -> int:
    """Write explanations, and after them a summary for the file's metadata, to an open file. Return their number."""
    count = 0

    def batches() -> Iterator[pyarrow.RecordBatch]:
        nonlocal count
        remaining = iter(explanations)
        while rows := list(itertools.islice(remaining, MAX_ROWS)):
            count += len(rows)
            yield to_batch(rows, score_type)

    write_parquet(file, batches(), empty=to_batch([], score_type), summarise=summarise)
    return count
