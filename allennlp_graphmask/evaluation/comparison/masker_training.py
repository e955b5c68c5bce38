"""Maskers for several allowances and seeds, each trained by `allennlp train` in a process of its own."""

import inspect
import itertools
import json
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Sequence

from allennlp.common import Params
from allennlp.common.checks import ConfigurationError

from allennlp_graphmask.evaluation.comparison.folder import to_json
from allennlp_graphmask.explanation.files import write_atomically
from allennlp_graphmask.explanation.provenance import fingerprint
from allennlp_graphmask.interpret.graphmask import GraphMask
from allennlp_graphmask_compat.loading import TRUST, is_trusted, locate

logger = logging.getLogger(__name__)

#: How many characters of the log of a failed training an error shows.
_END_OF_LOG = 2000

#: The seeds of a training config.
SEEDS = ("random_seed", "numpy_seed", "pytorch_seed")
_DEFAULT_ALLOWANCE: float = inspect.signature(GraphMask).parameters["allowance"].default


class TrainedMasker(NamedTuple):
    """A trained masker; its `seed` is `None` for the config's own, `cpu_seconds` are those of the process that trained it."""

    archive_file: str
    allowance: float
    seed: Optional[int]
    cpu_seconds: float
    #: Whether the training found a masker that meets the constraint on the validation data.
    constraint_met: bool
    #: The best epoch's `kept`, `changed`, `divergence` and, if it was measured, `divergence_floor` there.
    validation: Dict[str, float]


def train_maskers(
    config_file: str,
    archive_file: str,
    target_fingerprint: str,
    allowances: Sequence[Optional[float]],
    folder: Path,
    *,
    seeds: Sequence[Optional[int]] = (None,),
    overwrite: bool = False,
    include_packages: Sequence[str] = (),
) -> List[TrainedMasker]:
    """
    Train a masker for each allowance and seed, except for those that are there already.

    # Parameters

    config_file : `str`
        A config of GraphMask. The model to explain and its vocabulary are replaced by those of the archive.
    archive_file : `str`
        That of the model to explain. The environment variable GRAPHMASK_TARGET, which configs read, is set to it.
    target_fingerprint : `str`
        Of the weights in the archive.
    allowances : `Sequence[Optional[float]]`
        `None` stands for that of the config.
    folder : `Path`
        Each masker gets a folder in it, which appears only when its training is finished.
    seeds : `Sequence[Optional[int]]`, optional (default = `(None,)`)
        Of the trainings; `None` stands for those of the config.
    overwrite : `bool`, optional (default = `False`)
        Trains again where the config, or the model, was another one.
    include_packages : `Sequence[str]`, optional (default = `()`)
        Passed on to `allennlp train`.

    # Raises

    `ConfigurationError` if the config is missing or not one of GraphMask, a training fails, or a masker is there that was
    trained differently.
    """
    if not os.path.isfile(config_file):
        raise ConfigurationError(f"The config of GraphMask '{config_file}' does not exist.")
    # Absolute, so that the masker's own archive can name it.
    archive_file = os.path.abspath(locate(archive_file))
    environment = {**os.environ, "GRAPHMASK_TARGET": archive_file, **({TRUST: "1"} if is_trusted() else {})}
    maskers = []
    for allowance, seed in itertools.product(allowances, seeds):
        overrides: Dict[str, Any] = {
            "model.target": {"type": "from_archive", "archive_file": archive_file},
            "vocabulary": {"type": "from_files", "directory": archive_file},
            **({} if allowance is None else {"model.allowance": allowance}),
            **({} if seed is None else dict.fromkeys(SEEDS, seed)),
        }
        params = Params.from_file(config_file, params_overrides=json.dumps(overrides), ext_vars=environment)
        config = params.as_dict(quiet=True)
        if config["model"].get("type") != "graphmask":
            raise ConfigurationError(
                f"'{config_file}' is the config of a model of type {config['model'].get('type')!r}, expected \"graphmask\"."
            )
        if allowance is not None and config["model"].get("objective") is not None:
            raise ConfigurationError(
                f"The masker of '{config_file}' is trained for the objective {config['model']['objective']!r}, in which an allowance of "
                f"{allowance:g} has no part. Leave the allowances out, or give a config without an objective."
            )
        own_allowance = config["model"].get("allowance", _DEFAULT_ALLOWANCE)
        # The place of the archive does not matter.
        config["model"]["target"] = config["vocabulary"] = target_fingerprint
        place = folder / (f"{own_allowance:g}" + ("" if seed is None else f"_seed_{seed}"))
        record = _read_json(place / "training.json")
        if place.exists() and record.get("fingerprint") != fingerprint(config):
            if not overwrite:
                raise ConfigurationError(
                    f"{place} holds a masker that was trained with another config or for another model. Name another folder, or "
                    "give --force to train it again."
                )
            shutil.rmtree(place)
        if not place.exists():
            logger.info("Training a masker with allowance %s ...", place.name)
            # A training that was interrupted starts again: it is short.
            partial = Path(f"{place}.partial")
            shutil.rmtree(partial, ignore_errors=True)
            place.parent.mkdir(parents=True, exist_ok=True)
            seconds = run_training(config_file, partial, overrides, environment, include_packages)
            best = {
                name.removeprefix("best_validation_"): value
                for name, value in _read_json(partial / "metrics.json").items()
            }
            numbers = ("kept", "changed", "divergence", "divergence_floor")
            record = {
                "fingerprint": fingerprint(config),
                "allowance": own_allowance,
                "seed": seed,
                "cpu_seconds": seconds,
                "constraint_met": bool(best.get("constraint_met")),
                "validation": {name: best[name] for name in numbers if name in best},
            }
            write_atomically(partial / "training.json", to_json(record))
            os.rename(partial, place)
            record = _read_json(place / "training.json")
        del record["fingerprint"]
        maskers.append(TrainedMasker(str(place / "model.tar.gz"), **record))
    return maskers


def _read_json(path: Path) -> Dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def run_training(
    config_file: str,
    folder: Path,
    overrides: Dict[str, Any],
    environment: Dict[str, str],
    include_packages: Sequence[str] = (),
) -> float:
    """
    Run `allennlp train` in a process of its own and return its CPU seconds. If it fails, raise a `ConfigurationError`
    with the end of its output.
    """
    command = [sys.executable, "-m", "allennlp", "train", config_file, "-s", str(folder)]
    command += ["-o", json.dumps(overrides)]
    for package in include_packages:
        command += ["--include-package", package]
    before = os.times()
    finished = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if finished.returncode:
        raise ConfigurationError(
            f"Training '{config_file}' in {folder} failed. Its output ends:\n{finished.stdout[-_END_OF_LOG:]}"
        )
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def group_maskers(maskers: Sequence[TrainedMasker]) -> Dict[str, List[TrainedMasker]]:
    """Group maskers that differ only in their seed, by the label of their interpreter."""
    groups: Dict[str, List[TrainedMasker]] = {}
    for masker in maskers:
        groups.setdefault(f"graphmask_{masker.allowance:g}", []).append(masker)
    return groups


def build_allowance_rows(maskers: Sequence[TrainedMasker], interpreters: Dict[str, Any]) -> List[Dict[str, Any]]:
    """
    Build a row for each allowance: the kept share and the share of changed predictions of the first masker, on the data compared
    on and on the validation data; `constraint_met` of all seeds; and all `maskers`.

    `interpreters` are results by label, with the metrics `edge_kept` and `edge_changed`.
    """
    rows = []
    for label, group in group_maskers(maskers).items():
        numbers = {name: row for metric in interpreters[label]["metrics"].values() for name, row in metric.items()}
        rows.append(
            {
                "allowance": group[0].allowance,
                "interpreter": label,
                "constraint_met": all(masker.constraint_met for masker in group),
                "validation": group[0].validation,
                "kept": numbers["kept"]["value"],
                "changed": numbers["changed"]["value"],
                "control_changed": numbers["changed"]["control"]["value"],
                "maskers": [masker._asdict() for masker in group],
            }
        )
    return rows


def advise(rows: Sequence[Dict[str, Any]]) -> List[str]:
    """Return lines on maskers that do not meet their constraint, and what to do about it."""
    maskers = [masker for row in rows for masker in row["maskers"]]
    failed = [masker for masker in maskers if not masker["constraint_met"]]
    lines = []
    for masker in failed:
        seed = "" if masker["seed"] is None else f", seed {masker['seed']}"
        numbers = ", ".join(f"{name} {value:.3g}" for name, value in masker["validation"].items())
        lines.append(
            f"Allowance {masker['allowance']:g}{seed}: no epoch of the training met the constraint on the validation data; the one "
            f"that violated it least is shown ({numbers})."
        )
    if failed and len(failed) == len(maskers):
        lines.append(
            "No allowance gave a feasible mask. Allow more, train longer (trainer.num_epochs), start with a larger "
            "initial_multiplier or a smaller penalty_scaling; if divergence_floor is above the allowance, no mask can be feasible: "
            "switch dropout_in_masked_pass off. Or train with a generous allowance and let the callback choose the threshold "
            "for a given share of changed predictions."
        )
    return lines
