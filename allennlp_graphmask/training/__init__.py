"""What AllenNLP's trainer lacks."""

from allennlp_graphmask.training.distributed_training import DistributedTraining, gather_over_workers

__all__ = ["DistributedTraining", "gather_over_workers"]
