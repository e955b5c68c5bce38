from typing import Any, Callable, Iterable, Iterator, List, NamedTuple

from allennlp.data import DatasetReader, Instance


class Record(NamedTuple):
    """
    A piece of a data file that can be read, or fail, by itself: a line, a sentence, a question.

    # Parameters

    place : `str`
        Where it is in its file, such as `"line 3"`.
    instances : `Callable[[], List[Instance]]`
        Makes its instances. It raises a `ConfigurationError` that names the file and the place if the record is wrong.
    """

    place: str
    instances: Callable[[], List[Instance]]


class RecordReader(DatasetReader):
    """
    The base of readers that read their files record by record: one that is wrong need not end the reading (`read` stops there
    all the same; `allennlp explain` goes on), and one that is passed over costs no instances.
    """

    def __init__(self, **kwargs: Any) -> None:
        # Workers share records and not instances, so that no worker makes instances for the others.
        super().__init__(manual_distributed_sharding=True, manual_multiprocess_sharding=True, **kwargs)

    def records(self, path: str) -> Iterator[Record]:
        """
        The records of a file, one after another. Their instances must be made, if at all, in that order and before the next
        record is asked for: readers count them.

        # Raises

        `ConfigurationError` if the file, or what is left of it, cannot be read at all.
        """
        raise NotImplementedError

    def _read(self, file_path: Any) -> Iterable[Instance]:
        for record in self.shard_iterable(self.records(str(file_path))):
            yield from record.instances()
