from typing import Any, Callable, Iterable, Iterator, List, NamedTuple, Optional, TypeVar

from allennlp.data import DatasetReader, Instance

from allennlp_graphmask.checked_parameters import CheckedParameters
from allennlp_graphmask.checks import check_at_least

T = TypeVar("T")


class Record(NamedTuple):
    """A piece of a data file that can be read, or fail, by itself: a line, a sentence, a question."""

    #: Where it is in its file, such as `"line 3"`.
    place: str
    #: Builds its instances, or raises a `ConfigurationError` that names the file and the place if the record is malformed.
    instances: Callable[[], List[Instance]]
    #: Why it may have no instance, for the report that names it.
    why_empty: str = "no instance"


class RecordReader(DatasetReader, CheckedParameters):
    """
    The base of readers that read their files record by record. A malformed record ends `read`, but not `allennlp explain`. A
    record that is passed over costs nothing: its instances are not built.
    """

    def __init__(self, max_instances: Optional[int] = None, serialization_dir: Optional[str] = None) -> None:
        if max_instances is not None:
            check_at_least(type(self).__name__, 0, max_instances=max_instances)
        # Workers share records and not instances, so that no worker builds instances for the others.
        super().__init__(
            max_instances=max_instances,
            manual_distributed_sharding=True,
            manual_multiprocess_sharding=True,
            serialization_dir=serialization_dir,
        )

    def records(self, path: str) -> Iterator[Record]:
        """
        Yield the records of a file. Their instances must be built, if at all, in that order and before the next record is asked
        for: readers count them.

        # Raises

        `ConfigurationError` if the file, or what is left of it, cannot be read at all.
        """
        raise NotImplementedError

    def shard_iterable(self, iterable: Iterable[T]) -> Iterator[T]:
        """As AllenNLP's, which also takes the first `max_instances` of the records, though records can have no instance, or several."""
        max_instances, self.max_instances = self.max_instances, None
        try:
            return super().shard_iterable(iterable)
        finally:
            self.max_instances = max_instances

    def _read(self, file_path: Any) -> Iterable[Instance]:
        for record in self.shard_iterable(self.records(str(file_path))):
            yield from record.instances()
