"""The messages of explanations as a table with a row for each, for spreadsheets, pandas and DuckDB."""

import csv
import io
import itertools
from typing import IO, Any, Dict, Iterable, Iterator, List, Tuple

from allennlp_graphmask.explanation.explanation import Explanation
from allennlp_graphmask.explanation.files import PathLike, atomic_write, is_parquet

#: The columns, and the types that pyarrow has for them.
COLUMNS = {
    "explanation": "int64",
    "input": "int64",
    "layer": "int32",
    "source": "int32",
    "source_text": "string",
    "type": "string",
    "target": "int32",
    "target_text": "string",
    "score": "float64",
    "kept": "bool",
}


def message_columns(explanation: Explanation, number: int = 0) -> Dict[str, List[Any]]:
    """
    Return the columns of one explanation, layer by layer from the bottom: its own `number`, that of its input (from 1; `None` if
    that is not known), the layer, the node that the message comes from with its text, the relation, the node that it goes to, the score
    and whether the message is kept.
    """
    edges = explanation.edges
    num_layers, num_edges = edges.score.shape
    texts = [node.text for node in explanation.nodes]
    sources, targets = edges.source.tolist(), edges.target.tolist()
    of_input = None if explanation.input is None else explanation.input["number"]
    return {
        "explanation": [number] * num_layers * num_edges,
        "input": [of_input] * num_layers * num_edges,
        "layer": [layer for layer in range(num_layers) for _ in range(num_edges)],
        "source": sources * num_layers,
        "source_text": [texts[node] for node in sources] * num_layers,
        "type": [edges.relations[relation] for relation in edges.type.tolist()] * num_layers,
        "target": targets * num_layers,
        "target_text": [texts[node] for node in targets] * num_layers,
        "score": edges.score.ravel().tolist(),
        "kept": edges.kept.ravel().tolist(),
    }


def write_messages(path: PathLike, explanations: Iterable[Explanation]) -> None:
    """
    Write the messages of explanations, numbered from 0, to a file that appears when it is complete: Parquet, which needs pyarrow, if its
    name ends in `.parquet`, else CSV in UTF-8 with a header.
    """
    tables = (message_columns(explanation, number) for number, explanation in enumerate(explanations))
    with atomic_write(path) as file:
        (_write_parquet if is_parquet(path) else _write_csv)(file, tables)


def _write_csv(file: IO[bytes], tables: Iterator[Dict[str, List[Any]]]) -> None:
    text = io.TextIOWrapper(file, "utf-8", newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for table in tables:
        writer.writerows(zip(*table.values()))
    text.detach()


def _write_parquet(file: IO[bytes], tables: Iterator[Dict[str, List[Any]]]) -> None:
    import pyarrow.parquet

    schema = pyarrow.schema([(name, pyarrow.type_for_alias(alias)) for name, alias in COLUMNS.items()])
    with pyarrow.parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        for tables_together in _groups(tables):
            parts = [pyarrow.table(table, schema=schema) for table in tables_together]
            writer.write_table(pyarrow.concat_tables(parts).combine_chunks())


def _groups(tables: Iterator[Dict[str, List[Any]]], size: int = 256) -> Iterator[Tuple[Dict[str, List[Any]], ...]]:
    while group := tuple(itertools.islice(tables, size)):
        yield group
