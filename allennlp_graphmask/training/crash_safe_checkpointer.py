import contextlib
import glob
import json
import logging
import os
import re
import shutil
import time
from typing import Any, Dict, List, NamedTuple, Optional, Set, Tuple, Union

import torch
import torch.distributed
from allennlp.common.checks import ConfigurationError
from allennlp.common.util import is_distributed
from allennlp.training.checkpointer import Checkpointer
from allennlp.training.gradient_descent_trainer import GradientDescentTrainer
from allennlp.training.trainer import TrainerCheckpoint

from allennlp_graphmask.checked_parameters import CheckedParameters
from allennlp_graphmask.explanation.files import atomic_write, sync_folder, write_atomically
from allennlp_graphmask.explanation.provenance import file_fingerprint
from allennlp_graphmask.modules.finite import describe_non_finite
from allennlp_graphmask.training.folder_lock import clear_for_training, lock_folder

logger = logging.getLogger(__name__)

BEST_NAME = "best.th"

#: What reading a damaged manifest raises.
_UNREADABLE = (ValueError, TypeError, AttributeError, OSError)

Position = Tuple[int, int]
"""Completed epochs, and completed batches of the one after them."""


class Manifest(NamedTuple):
    """
    What a checkpoint consists of: the SHA-256 of each of its files, and the one of them that holds the weights of the best epoch.
    It is written when all of them are there.
    """

    files: Dict[str, str]
    best: Optional[str]


@Checkpointer.register("crash_safe")
class CrashSafeCheckpointer(CheckedParameters, Checkpointer):
    """
    A checkpointer for trainings that may be killed at any time. A file appears when it is complete and on the disk; older
    checkpoints are deleted when the new one is complete. With `--recover`, a checkpoint that is damaged is reported and the one
    before it is used. The weights of the best epoch so far belong to each checkpoint, so `best.th` is restored with it.
    The folder is locked against a second training.

    Registered as a `Checkpointer` with name "crash_safe". Use it with the callback `reliable_training` (which `graphmask` is, too):
    a training that was interrupted then ends bitwise equal to one that was not. Not for models sharded over processes.

    # Parameters

    serialization_dir : `str`
        Given by AllenNLP.
    save_every_num_seconds : `float`, optional (default = `None`)
    save_every_num_batches : `int`, optional (default = `None`)
        Save after this time, or this number of batches, too, and not only at the end of each epoch.
    keep_most_recent_by_count : `int`, optional (default = `2`)
        The number of checkpoints to keep, at least 2; `null` keeps all.

    # Raises

    `ConfigurationError` if another process trains in the folder; if all checkpoints are damaged; if one cannot be written; before
    one is written, if a parameter of the model is not finite.
    """

    def __init__(
        self,
        serialization_dir: Union[str, "os.PathLike[str]"],
        save_every_num_seconds: Optional[float] = None,
        save_every_num_batches: Optional[int] = None,
        keep_most_recent_by_count: Optional[int] = 2,
    ) -> None:
        if keep_most_recent_by_count is not None and keep_most_recent_by_count < 2:
            raise ConfigurationError(
                f"checkpointer.keep_most_recent_by_count is {keep_most_recent_by_count}, expected at least 2: with one checkpoint "
                "there would be none to go back to."
            )
        super().__init__(
            serialization_dir,
            save_every_num_seconds=save_every_num_seconds,
            save_every_num_batches=save_every_num_batches,
            keep_most_recent_by_count=keep_most_recent_by_count,
        )
        #: The name and SHA-256 of the weights of the best epoch so far.
        self._best: Optional[Tuple[str, str]] = None
        if self._is_primary:
            os.makedirs(self._serialization_dir, exist_ok=True)
            self._lock = lock_folder(self._serialization_dir)
            clear_for_training(self._serialization_dir)

    def _path(self, name: str) -> str:
        return os.path.join(self._serialization_dir, name)

    def _manifest_path(self, position: Position) -> str:
        return self._path("checkpoint_e{}_b{}.json".format(*position))

    def _find_all_checkpoints(self) -> Set[Position]:
        matches = (
            re.fullmatch(r"checkpoint_e(\d+)_b(\d+)\.json", name) for name in os.listdir(self._serialization_dir)
        )
        return {(int(match[1]), int(match[2])) for match in matches if match}

    def save_checkpoint(self, trainer: GradientDescentTrainer) -> None:  # type: ignore[override]
        if self.state_is_sharded:
            raise ConfigurationError(
                'The checkpointer "crash_safe" cannot save a model sharded over processes: use "default" for it.'
            )
        state = trainer.get_checkpoint_state()
        if state is None:  # Not the primary process.
            return
        position = (state.trainer_state["epochs_completed"], state.trainer_state["batches_in_epoch_completed"])
        wrong = describe_non_finite(trainer.model.named_parameters())
        if wrong is not None:
            raise ConfigurationError(
                f"No checkpoint was written after {position[0]} epochs and {position[1]} batches: {wrong}, expected a finite number. "
                f'{self.describe_last_good()} Train with a lower learning rate, or with "grad_norm" in the trainer.'
            )
        try:
            self._write_checkpoint(trainer, state, position)
        except (OSError, RuntimeError) as error:
            # PyTorch's writer turns an error of the file that it writes to into a RuntimeError.
            cause = error if isinstance(error, OSError) else error.__context__ or error
            free = shutil.disk_usage(self._serialization_dir).free
            raise ConfigurationError(
                f"The checkpoint after {position[0]} epochs and {position[1]} batches could not be written to "
                f"{self._serialization_dir}: {cause} ({free / 2**20:.0f} MiB are free there). {self.describe_last_good()} Make space "
                "and continue with --recover."
            ) from error
        self._last_save_time = time.time()
        self._last_save_num_epochs_completed, self._last_save_num_batches_in_epoch_completed = position
        if self._keep_most_recent_by_count is not None:
            for old in sorted(self._find_all_checkpoints(), reverse=True)[self._keep_most_recent_by_count :]:
                os.remove(self._manifest_path(old))
            self._remove_files_of_no_checkpoint()

    def _write_checkpoint(self, trainer: GradientDescentTrainer, state: TrainerCheckpoint, position: Position) -> None:
        model_name = os.path.basename(self._model_state_path(*position))
        training_name = os.path.basename(self._training_state_path(*position))
        files = {
            model_name: self._write(model_name, state.model_state),
            training_name: self._write(training_name, state.trainer_state),
        }
        best = self._best
        # As the trainer decides, after it has saved the checkpoint, whether to write best.th.
        if position[1] == 0 and trainer._should_validate_this_epoch and trainer._metric_tracker.is_best_so_far():
            if trainer._moving_average is None:
                best = (model_name, files[model_name])
            else:
                best_name = f"averaged_state_e{position[0]}_b0.th"
                trainer._moving_average.assign_average_value()
                try:
                    averaged = trainer.get_checkpoint_state()
                    assert averaged is not None
                    best = (best_name, self._write(best_name, averaged.model_state))
                finally:
                    trainer._moving_average.restore()
        if best is not None:
            files[best[0]] = best[1]
        manifest = Manifest(files, None if best is None else best[0])
        write_atomically(self._manifest_path(position), json.dumps(manifest._asdict(), indent=2))
        self._best = best

    def _write(self, name: str, state: Dict[str, Any]) -> str:
        with atomic_write(self._path(name)) as file:
            torch.save(state, file)
        written = file_fingerprint(self._path(name))
        assert written is not None
        return written

    def load_checkpoint(self) -> Optional[TrainerCheckpoint]:
        faults: Dict[Position, List[str]] = {}
        for position in sorted(self._find_all_checkpoints(), reverse=True):
            faults[position] = self._find_faults(position)
            for fault in faults[position]:
                logger.warning("A damaged checkpoint will not be used: %s.", fault)
            if not faults[position]:
                break
        else:
            if faults:
                raise ConfigurationError(
                    f"No checkpoint in {self._serialization_dir} can be used: {'; '.join(sum(faults.values(), []))}. Restore these "
                    "files from a backup, or train from the start in another folder."
                )
            return None
        manifest = self._read_manifest(position)
        self._synchronise()
        if self._is_primary:
            for damaged in faults.keys() - {position}:
                os.remove(self._manifest_path(damaged))
            self._remove_files_of_no_checkpoint()
            if manifest.best is not None:
                self._restore_best(manifest.best)
        self._synchronise()
        state = super().load_checkpoint()
        assert state is not None
        # The folder may have been moved; and the trainer notes the best epoch only after the checkpoint.
        state.trainer_state["best_model_filename"] = None if manifest.best is None else self._path(BEST_NAME)
        self._best = None if manifest.best is None else (manifest.best, manifest.files[manifest.best])
        self._last_save_num_epochs_completed, self._last_save_num_batches_in_epoch_completed = position
        return state

    def _read_manifest(self, position: Position) -> Manifest:
        with open(self._manifest_path(position), encoding="utf-8") as file:
            return Manifest(**json.load(file))

    def _find_faults(self, position: Position) -> List[str]:
        try:
            manifest = self._read_manifest(position)
            missing = {self._model_state_path(*position), self._training_state_path(*position)} - {
                self._path(name) for name in manifest.files
            }
        except _UNREADABLE as error:
            return [f"{self._manifest_path(position)} cannot be read ({type(error).__name__}: {error})"]
        faults = [f"{path} is not in {self._manifest_path(position)}" for path in sorted(missing)]
        for name, checksum in manifest.files.items():
            found = file_fingerprint(self._path(name))
            if found is None:
                faults.append(f"{self._path(name)} is missing")
            elif found != checksum:
                size = os.path.getsize(self._path(name))
                faults.append(f"{self._path(name)} ({size} bytes) is not what was written: its SHA-256 has changed")
        return faults

    def _remove_files_of_no_checkpoint(self) -> None:
        """Remove what has no manifest: a checkpoint that was not completed, or one that is deleted."""
        named: Set[str] = set()
        for position in self._find_all_checkpoints():
            # The files of an older checkpoint whose manifest is damaged cannot be used.
            with contextlib.suppress(*_UNREADABLE):
                named.update(self._read_manifest(position).files)
        for kind in ("model", "training", "averaged"):
            for path in glob.glob(self._path(f"{kind}_state_e*_b*.th")):
                if os.path.basename(path) not in named:
                    os.remove(path)

    def _restore_best(self, name: str) -> None:
        best = self._path(BEST_NAME)
        if os.path.exists(best) and os.path.samefile(best, self._path(name)):
            return
        partial = f"{best}.{os.getpid()}.partial"
        # A copy: the trainer may write to it in place, and the checkpoint stays what it was.
        shutil.copyfile(self._path(name), partial)
        os.replace(partial, best)
        sync_folder(self._serialization_dir)

    def _synchronise(self) -> None:
        if is_distributed():
            torch.distributed.barrier()

    def describe_last_good(self) -> str:
        """Return a sentence that names the last good checkpoint."""
        checkpoint = self.find_latest_checkpoint()
        if checkpoint is None:
            return "There is no earlier checkpoint."
        return f"The last good checkpoint is {' and '.join(checkpoint)}."
