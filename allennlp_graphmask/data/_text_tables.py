"""
Texts in Parquet files, by pyarrow. This module is imported where such a file is read and not before: as its name begins with `_`,
AllenNLP leaves it out when it imports a plugin.
"""

from typing import Iterator, Optional

import pyarrow
import pyarrow.parquet
from allennlp.common.checks import ConfigurationError

#: The rows that are in memory at a time.
_ROWS = 1024


def read_texts(path: str, column: str) -> Iterator[Optional[str]]:
    """
    Yield the texts in a column of a file, in the order of its rows; `None` where there is none.

    # Raises

    `ConfigurationError` naming the file, if it is not a Parquet file or has no such column of strings.
    """
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            schema = file.schema_arrow
            texts = [field.name for field in schema if _is_text(field.type)]
            if column not in texts:
                found = f"a column of type {schema.field(column).type}" if column in schema.names else "no such column"
                raise ConfigurationError(
                    f"{path}: expected texts in the column {column!r}, found {found}. Columns of texts: {', '.join(texts) or 'none'}; name "
                    "one by --text-column."
                )
            for batch in file.iter_batches(batch_size=_ROWS, columns=[column]):
                yield from batch.column(0).to_pylist()
    except pyarrow.ArrowException as error:
        raise ConfigurationError(f"{path}: not a whole Parquet file ({error}).") from error


def _is_text(column_type: pyarrow.DataType) -> bool:
    if pyarrow.types.is_dictionary(column_type):
        column_type = column_type.value_type
    return bool(pyarrow.types.is_string(column_type) or pyarrow.types.is_large_string(column_type))
