"""Maskers for several allowances and seeds, each trained by `allennlp train` in a process of its own."""

import inspect
import itertools
import json
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

#: How much of the log of a training that failed an error shows.
_END_OF_LOG = 2000

_SEEDS = ("random_seed", "numpy_seed", "pytorch_seed")
_DEFAULT_ALLOWANCE: float = inspect.signature(GraphMask).parameters["allowance"].default


class TrainedMasker(NamedTuple):
    """
    # Parameters

    allowance : `float`
    seed : `int`, optional
        That of its training; `None` for the config's own.
    label : `str`
        The name of its interpreter, which maskers with the same allowance share.
    archive_file : `str`
    constraint_met : `bool`
        Whether its training found a masker that meets the constraint on the validation data.
    validation : `Dict[str, float]`
        What the best epoch had there: `kept`, `changed`, `divergence` and, if it was measured, `divergence_floor`.
    """

    allowance: float
    seed: Optional[int]
    label: str
    archive_file: str
    constraint_met: bool
    validation: Dict[str, float]


def parse_allowances(argument: str) -> List[float]:
    """
    # Raises

    `ConfigurationError` if they are no positive numbers separated by commas, each once.
    """
    try:
        allowances = [float(part) for part in argument.split(",")]
    except ValueError:
        allowances = []
    if not allowances or len(set(allowances)) != len(allowances) or not all(a > 0 for a in allowances):
        raise ConfigurationError(
            f"--allowances is {argument!r}, expected different positive numbers separated by commas, such as 0.01,0.05,0.2."
        )
    return sorted(allowances)


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
    Trains a masker for each allowance and seed, those excepted that are there already.

    # Parameters

    config_file : `str`
        A config of GraphMask. The model to explain and its vocabulary are replaced by those of the archive.
    archive_file : `str`
        That of the model to explain. The environment variable GRAPHMASK_TARGET, which configs read, is set to it.
    target_fingerprint : `str`
        Of the weights in the archive.
    allowances : `Sequence[float]`
        `None` stands for that of the config.
    folder : `Path`
        Each masker gets a folder in it, which appears only when its training is finished.
    seeds : `Sequence[int]`, optional (default = `(None,)`)
        For each of them (`random_seed`, `numpy_seed` and `pytorch_seed`) a masker is trained; `None` stands for those of the
        config.
    overwrite : `bool`, optional (default = `False`)
        Trains again where the config, or the model, was another one.
    include_packages : `Sequence[str]`, optional (default = `()`)
        Passed on to `allennlp train`.

    # Raises

    `ConfigurationError` if the config is missing or none of GraphMask, a training fails, or a masker is there that was trained
    differently.
    """
    if not os.path.isfile(config_file):
        raise ConfigurationError(f"--graphmask-config names '{config_file}', which does not exist.")
    # Absolute, so that its own archive can name it.
    archive_file = os.path.abspath(archive_file)
    environment = {**os.environ, "GRAPHMASK_TARGET": archive_file}
    maskers = []
    for allowance, seed in itertools.product(allowances, seeds):
        overrides: Dict[str, Any] = {
            "model.target": {"type": "from_archive", "archive_file": archive_file},
            "vocabulary": {"type": "from_files", "directory": archive_file},
        }
        if allowance is not None:
            overrides["model.allowance"] = allowance
        if seed is not None:
            overrides.update(dict.fromkeys(_SEEDS, seed))
        config = Params.from_file(
            config_file, params_overrides=json.dumps(overrides), ext_vars=environment
        ).as_dict(quiet=True)
        if config["model"].get("type") != "graphmask":
            raise ConfigurationError(
                f"'{config_file}' is the config of a model of type {config['model'].get('type')!r}, expected \"graphmask\": "
                "allowances are those of maskers."
            )
        own_allowance = config["model"].get("allowance", _DEFAULT_ALLOWANCE)
        # Where the archive lies does not matter.
        config["model"]["target"] = config["vocabulary"] = target_fingerprint
        description = {"fingerprint": fingerprint(config), "allowance": own_allowance, "seed": seed}
        place = folder / (f"{own_allowance:g}" + ("" if seed is None else f"_seed_{seed}"))
        if place.exists():
            before = place / "training.json"
            if before.is_file() and json.loads(before.read_text(encoding="utf-8")) == description:
                maskers.append(_trained(own_allowance, seed, place))
                continue
            if not overwrite:
                raise ConfigurationError(
                    f"{place} holds a masker that was trained with another config or for another model. Name another folder, or "
                    "give --force to train it again."
                )
            shutil.rmtree(place)
        _train(config_file, json.dumps(overrides), place, environment, include_packages)
        write_atomically(Path(f"{place}.partial") / "training.json", to_json(description))
        os.rename(f"{place}.partial", place)
        maskers.append(_trained(own_allowance, seed, place))
    return maskers


def _train(
    config_file: str,
    overrides: str,
    place: Path,
    environment: Dict[str, str],
    include_packages: Sequence[str],
) -> None:
    partial = f"{place}.partial"
    # What an interrupted training has left: it is short, and starts again.
    shutil.rmtree(partial, ignore_errors=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "allennlp", "train", config_file, "-s", partial, "-o", overrides]
    for package in include_packages:
        command += ["--include-package", package]
    print(f"Training a masker with allowance {place.name} ...", flush=True)
    finished = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if finished.returncode:
        raise ConfigurationError(
            f"Training a masker with allowance {place.name} failed. Its output ends:\n{finished.stdout[-_END_OF_LOG:]}"
        )


def _trained(allowance: float, seed: Optional[int], place: Path) -> TrainedMasker:
    metrics = json.loads((place / "metrics.json").read_text(encoding="utf-8"))
    validation = {
        name: metrics[f"best_validation_{name}"]
        for name in ("kept", "changed", "divergence", "divergence_floor")
        if f"best_validation_{name}" in metrics
    }
    return TrainedMasker(
        allowance,
        seed,
        f"graphmask_{allowance:g}",
        str(place / "model.tar.gz"),
        bool(metrics.get("best_validation_constraint_met")),
        validation,
    )


def advice(maskers: Sequence[TrainedMasker]) -> List[str]:
    """Lines on maskers that do not meet their constraint, and what to do about it."""
    failed = [masker for masker in maskers if not masker.constraint_met]
    if not failed:
        return []
    lines = [
        f"Allowance {masker.allowance:g}"
        + ("" if masker.seed is None else f", seed {masker.seed}")
        + ": no epoch of the training met the constraint on the validation data; the one that violated "
        "it least is shown ("
        + ", ".join(f"{name} {value:.3g}" for name, value in masker.validation.items())
        + ")."
        for masker in failed
    ]
    if len(failed) == len(maskers):
        lines.append(
            "No allowance gave a feasible mask. Allow more, train longer (trainer.num_epochs), start with a larger "
            "initial_multiplier or a smaller penalty_scaling; if divergence_floor is above the allowance, no mask can be feasible: "
            "switch dropout_in_masked_pass off. Or train with a generous allowance and let the callback choose the threshold "
            "for a promised share of changed predictions."
        )
    return lines


def allowance_rows(maskers: Sequence[TrainedMasker], results: Dict[str, Any]) -> List[Dict[str, Any]]:
    """
    For each allowance the kept share and the share of changed predictions: of the first masker, on the data compared on, and on the
    validation data, where `constraint_met` is that of all seeds.
    """
    rows = []
    for label in dict.fromkeys(masker.label for masker in maskers):
        same = [masker for masker in maskers if masker.label == label]
        masker = same[0]
        quantities = {
            name: row
            for metric in results["interpreters"][masker.label]["metrics"].values()
            for name, row in metric.items()
        }
        rows.append(
            {
                "allowance": masker.allowance,
                "interpreter": masker.label,
                "constraint_met": all(other.constraint_met for other in same),
                "validation": masker.validation,
                "kept": quantities["kept"]["value"],
                "changed": quantities["changed"]["value"],
                "control_changed": quantities["changed"]["control"]["value"],
            }
        )
    return rows
