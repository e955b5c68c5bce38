import logging
from collections import Counter, defaultdict
from typing import Any, Dict, List, Optional, TypeVar

import numpy
import torch
import torch.distributed
from allennlp.common.util import is_distributed
from allennlp.data import DataLoader, Vocabulary
from allennlp.nn.util import dist_reduce_sum
from allennlp.training.callbacks import TrainerCallback
from allennlp.training.gradient_descent_trainer import GradientDescentTrainer

from allennlp_graphmask.checked_parameters import CheckedParameters
from allennlp_graphmask.modules.word_dropout import WordDropout

logger = logging.getLogger(__name__)

_Value = TypeVar("_Value")


@TrainerCallback.register("distributed")
class DistributedTraining(CheckedParameters, TrainerCallback):
    """
    Adds to distributed training what AllenNLP lacks; in one process it does nothing. Workers draw different random numbers (AllenNLP
    seeds them all alike, so that they have the same dropout and the same noise in gates), those after `--recover` are the ones of a
    training without interruption, word dropout gets the counts of words, and it is logged how many batches are dropped because
    workers do not have equally many.

    Registered as a `TrainerCallback` with name "distributed". The callbacks `reliable_training` and `graphmask` do the same and more.
    """

    #: What all workers were seeded with.
    _seed: int

    def on_start(self, trainer: GradientDescentTrainer, is_primary: bool = True, **kwargs: Any) -> None:
        super().on_start(trainer, is_primary, **kwargs)
        if not is_distributed():
            return
        self._seed = torch.initial_seed()
        self._seed_worker(trainer._start_after_epochs_completed, trainer._start_after_batches_in_epoch_completed)
        for module in trainer.model.modules():
            if isinstance(module, WordDropout) and not module.counts.any():
                _count_words(module, trainer.model.vocab, trainer.data_loader)
        for name, loader in (("training", trainer.data_loader), ("validation", trainer._validation_data_loader)):
            sizes = [size for size in gather_over_workers(_count_batches(loader)) if size is not None]
            if len(set(sizes)) > 1:
                logger.warning(
                    "%d of the %d batches of %s data are dropped in each epoch: an epoch ends when a worker has no more, and they "
                    "have %s.",
                    sum(sizes) - min(sizes) * len(sizes),
                    sum(sizes),
                    name,
                    " and ".join(map(str, sizes)),
                )

    def on_batch(
        self,
        trainer: GradientDescentTrainer,
        batch_inputs: Any,
        batch_outputs: Any,
        batch_metrics: Dict[str, Any],
        epoch: int,
        batch_number: int,
        is_training: bool,
        is_primary: bool = True,
        batch_grad_norm: Optional[float] = None,
        **kwargs: Any,
    ) -> None:
        if is_training and is_distributed():
            self._seed_worker(epoch, batch_number)

    def on_epoch(
        self,
        trainer: GradientDescentTrainer,
        metrics: Dict[str, Any],
        epoch: int,
        is_primary: bool = True,
        **kwargs: Any,
    ) -> None:
        if is_distributed():
            self._seed_worker(epoch + 1, 0)

    def _seed_worker(self, epoch: int, batch: int) -> None:
        """
        Seed the random numbers of the next batch. A checkpoint has the random state of the first worker only; those of the others
        follow from the place in the training.
        """
        rank = torch.distributed.get_rank()
        if rank > 0:
            torch.manual_seed(int(numpy.random.SeedSequence([self._seed, rank, epoch, batch]).generate_state(1)[0]))


def _count_words(word_dropout: WordDropout, vocab: Vocabulary, loader: DataLoader) -> None:
    """Count the words of the training data: the vocabulary, which workers read from files, has no counts."""
    counter: Dict[str, Dict[str, int]] = defaultdict(Counter)
    for instance in loader.iter_instances():
        instance.count_vocab_items(counter)
    word_dropout.set_counts(vocab, counter)
    word_dropout.counts.copy_(dist_reduce_sum(word_dropout.counts))


def _count_batches(loader: Optional[DataLoader]) -> Optional[int]:
    """Return `None` if a loader reads while it is used, and does not know it."""
    try:
        return None if loader is None else len(loader)
    except TypeError:
        return None


def gather_over_workers(value: _Value) -> List[_Value]:
    """Return the values of all workers of a distributed run, in their order, to each of them."""
    if not is_distributed():
        return [value]
    gathered = [value] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(gathered, value)
    return gathered
