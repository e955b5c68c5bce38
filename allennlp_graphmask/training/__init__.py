"""Training that can be killed: checkpoints that are whole, and a callback that makes what follows equal."""

from allennlp_graphmask.training.crash_safe_checkpointer import CrashSafeCheckpointer
from allennlp_graphmask.training.folder_lock import FolderLock, lock_folder
from allennlp_graphmask.training.reliable_training import ReliableTraining

__all__ = ["CrashSafeCheckpointer", "FolderLock", "ReliableTraining", "lock_folder"]
