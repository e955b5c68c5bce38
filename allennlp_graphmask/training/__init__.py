"""What AllenNLP's trainer lacks: training that can be killed, and training with several processes."""

from allennlp_graphmask.training.crash_safe_checkpointer import CrashSafeCheckpointer
from allennlp_graphmask.training.distributed_training import DistributedTraining, gather_over_workers
from allennlp_graphmask.training.folder_lock import FolderLock, lock_folder
from allennlp_graphmask.training.reliable_training import ReliableTraining

__all__ = [
    "CrashSafeCheckpointer",
    "DistributedTraining",
    "FolderLock",
    "ReliableTraining",
    "gather_over_workers",
    "lock_folder",
]
