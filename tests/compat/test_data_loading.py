"""Which of the processes that load data is faster changes nothing."""

import random
import time
from typing import Any, Iterable

import pytest
from allennlp.data import DatasetReader, Instance, Vocabulary
from allennlp.data.data_loaders import MultiProcessDataLoader
from allennlp.data.fields import LabelField


class SlowReader(DatasetReader):
    """Gives the numbers below 9. One of its processes is slow; one has an instance more than the other."""

    def __init__(self, slow: int) -> None:
        super().__init__(manual_distributed_sharding=True, manual_multiprocess_sharding=True)
        self._slow = slow

    def _read(self, file_path: Any) -> Iterable[Instance]:
        for number in self.shard_iterable(range(9)):
            if self._worker_info is not None and self._worker_info.id == self._slow:
                time.sleep(0.05)
            yield Instance({"label": LabelField(number, skip_indexing=True)})


@pytest.mark.parametrize("slow", [0, 1])
@pytest.mark.parametrize("in_memory", [None, 4])
def test_the_order_does_not_depend_on_the_speed(slow, in_memory) -> None:
    loader = MultiProcessDataLoader(
        SlowReader(slow), "nowhere", batch_size=1, num_workers=2, max_instances_in_memory=in_memory, quiet=True
    )
    loader.index_with(Vocabulary())
    for _ in range(2):
        assert [int(batch["label"]) for batch in loader] == list(range(9))


@pytest.mark.reliability
def test_random_numbers_of_spawned_processes_follow_from_the_seed() -> None:
    orders = []
    for slow in (0, 1):
        random.seed(3)
        loader = MultiProcessDataLoader(
            SlowReader(slow),
            "nowhere",
            batch_size=1,
            shuffle=True,
            num_workers=2,
            max_instances_in_memory=4,
            start_method="spawn",
            quiet=True,
        )
        loader.index_with(Vocabulary())
        orders.append([int(batch["label"]) for batch in loader])
    assert orders[0] == orders[1] and sorted(orders[0]) == list(range(9)) != orders[0]
