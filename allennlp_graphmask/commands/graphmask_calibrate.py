"""
`allennlp graphmask-calibrate ARCHIVE DATA -o NEW` chooses the thresholds of a GraphMask archive on calibration data, with a guarantee;
see docs/calibration.md.
"""

import argparse
import logging
import os
import sys
import tarfile
from collections.abc import Mapping
from typing import List

import torch
from allennlp.commands.subcommand import Subcommand
from allennlp.common.checks import ConfigurationError, check_for_gpu
from allennlp.common.file_utils import cached_path
from allennlp.common.util import int_to_device
from allennlp.models import Archive, load_archive
from allennlp.models.archival import extracted_archive

from allennlp_graphmask.commands.archives import add_trust_option, require_checked_archives
from allennlp_graphmask.evaluation.comparison import read_data
from allennlp_graphmask.explanation.files import atomic_write
from allennlp_graphmask.explanation.provenance import file_fingerprint
from allennlp_graphmask.focus import foci_by_kind
from allennlp_graphmask.interpret.graphmask import GraphMask
from allennlp_graphmask.interpret.graphmask.calibration import (
    RISKS,
    Outcomes,
    calibrate,
    length_groups,
    measure_outcomes,
    risk_by_group,
)
from allennlp_graphmask_compat.loading import locate, trusting_archives


@Subcommand.register("graphmask-calibrate")
class GraphMaskCalibrate(Subcommand):
    """Registered as a `Subcommand` with name "graphmask-calibrate"."""

    def add_subparser(self, parser: "argparse._SubParsersAction[argparse.ArgumentParser]") -> argparse.ArgumentParser:
        description = (
            "Choose the thresholds of a GraphMask archive so that, with the confidence asked for, no more than a share of new inputs "
            "like the data change in a single pass. The data must not have trained the masker or chosen anything of it."
        )
        subparser = parser.add_parser(self.name, description=description, help="Calibrate a GraphMask archive.")
        add = subparser.add_argument
        add("archive_file", metavar="ARCHIVE", help="an archive of GraphMask")
        add("data", metavar="DATA", help="a file for the archive's reader")
        add("-o", "--output-file", metavar="NEW", required=True, help="write the calibrated archive to this file")
        group = subparser.add_mutually_exclusive_group()
        group.add_argument("--changed", type=float, metavar="SHARE", help="of changed predictions (default: 0.05)")
        group.add_argument("--divergence", type=float, metavar="D", help="bound the mean divergence instead")
        add("--confidence", type=float, default=0.9, metavar="SHARE", help="(default: %(default)s)")
        add("--focus", action="append", metavar="NAME", help="may be repeated (default: one of each kind)")
        add(
            "--group", metavar="KEY", help="report changed predictions by this key of the metadata (default: by length)"
        )
        add("--batch-size", type=int, default=32, metavar="N", help="(default: %(default)s)")
        add("--cuda-device", type=int, default=-1, metavar="N", help="id of the GPU to use (default: none)")
        add("--force", action="store_true", help="replace NEW if it exists")
        add_trust_option(subparser)
        subparser.set_defaults(func=calibrate_for_arguments)
        return subparser


def calibrate_for_arguments(args: argparse.Namespace) -> None:
    if os.path.exists(args.output_file) and not args.force:
        raise ConfigurationError(f"'{args.output_file}' exists. Name another file, or give --force to replace it.")
    logging.getLogger("allennlp.common.params").disabled = True
    check_for_gpu(int_to_device(args.cuda_device))
    archive_file = locate(args.archive_file)
    if os.path.isdir(archive_file):
        raise ConfigurationError(
            f"'{archive_file}' is a folder. Name the archive in it: {os.path.join(archive_file, 'model.tar.gz')}"
        )
    with trusting_archives(args.trust):
        require_checked_archives()
        archive = load_archive(archive_file, cuda_device=args.cuda_device)
        model = archive.model
        if not isinstance(model, GraphMask):
            raise ConfigurationError(
                f"The archive '{args.archive_file}' holds a {type(model).__name__}, expected GraphMask: its thresholds are calibrated."
            )
        foci = args.focus or list(foci_by_kind(model.target).values())
        for focus in foci:
            model.kind_covered_by(focus)
        _check_data(archive, args.data)
        model.eval()
        loader = read_data(archive, args.data, args.batch_size, args.cuda_device, None)
        risk, bound = ("changed", 0.05 if args.changed is None else args.changed)
        if args.divergence is not None:
            risk, bound = "divergence", args.divergence
        fingerprint = file_fingerprint(args.data)
        for focus in foci:
            outcomes = measure_outcomes(model, loader, focus)
            found = calibrate(outcomes, risk=risk, bound=bound, confidence=args.confidence)
            calibration = {**found._asdict(), "data_sha256": fingerprint}
            model.set_threshold(focus, found.threshold, calibration)
            print(
                f"Focus '{focus}', {found.num_instances:,} instances: {100 * found.kept:.1f} % of the messages kept, {RISKS[risk]} "
                f"{100 * found.measured:.1f} %; with {100 * args.confidence:g} % confidence at most {100 * bound:g} % on others like these."
            )
            print("\n".join(_report_groups(outcomes, found.threshold, args.group, args.confidence)))
        _write_archive(model, archive_file, args.output_file)
    print(f"Written to {args.output_file}.", file=sys.stderr)


def _check_data(archive: Archive, data: str) -> None:
    """Refuse data that the masker was trained or chosen on, as far as that can be seen."""
    for key in ("train_data_path", "validation_data_path"):
        path = archive.config.get(key)
        same = path == data or (
            isinstance(path, str) and os.path.isfile(path) and file_fingerprint(path) == file_fingerprint(data)
        )
        if same:
            raise ConfigurationError(
                f"'{data}' is the {key} of the archive: on data that trained the masker or chose something of it, a guarantee would be "
                "false. Keep other data for calibration."
            )


def _report_groups(outcomes: Outcomes, threshold: float, key: str, confidence: float) -> List[str]:
    if key is None:
        groups = length_groups(outcomes)
    else:
        lacking = [one for one in outcomes.metadata if not isinstance(one, Mapping) or key not in one]
        if lacking or not outcomes.metadata:
            known = (
                sorted(outcomes.metadata[0]) if outcomes.metadata and isinstance(outcomes.metadata[0], Mapping) else []
            )
            raise ConfigurationError(
                f"--group: not all instances have the key '{key}' in their metadata, which has {known}."
            )
        groups = [str(one[key]) for one in outcomes.metadata]
    return [
        f"  {one.group}: {100 * one.changed:.1f} % of {one.num_instances:,} change, at most {100 * one.upper:.1f} % with "
        f"{100 * confidence:g} % confidence"
        for one in risk_by_group(outcomes, threshold, groups, confidence)
    ]


def _write_archive(model: GraphMask, archive_file: str, output_file: str) -> None:
    """Write the archive with the model's own weights and state, and everything else as it is."""
    with extracted_archive(str(cached_path(archive_file))) as folder, atomic_write(output_file) as file:
        weights = os.path.join(folder, "weights.th")
        torch.save(
            {name: value.cpu() if torch.is_tensor(value) else value for name, value in model.state_dict().items()},
            weights,
        )
        # What was extracted, which has been checked, and nothing that the archive's config names.
        with tarfile.open(fileobj=file, mode="w:gz") as archive:
            for name in sorted(os.listdir(folder)):
                archive.add(os.path.join(folder, name), name)
