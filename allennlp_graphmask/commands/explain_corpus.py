"""
`allennlp explain-corpus ARCHIVE INPUT... -o DIR` explains many inputs by several processes, here or on a cluster of Ray; see docs/scale.md.
"""

import argparse
import os
import socket
from functools import partial
from typing import TYPE_CHECKING, Any, Dict, List, Tuple

import torch
from allennlp.commands.subcommand import Subcommand
from allennlp.common import Tqdm
from allennlp.common.checks import ConfigurationError
from allennlp.common.plugins import import_plugins
from allennlp.common.util import SigTermReceived, import_module_and_submodules

from allennlp_graphmask.checks import check_at_least, check_installed
from allennlp_graphmask.commands.explain import INTERRUPTED, SOME_INPUTS_FAILED, build_predictor, get_settings, report
from allennlp_graphmask.commands.explain_arguments import add_explaining_options, check_explaining_options
from allennlp_graphmask.corpus.folder import CorpusFolder, Counts, InputFile, Shard, find_inputs
from allennlp_graphmask.corpus.ray_environment import set_ray_environment
from allennlp_graphmask.corpus.worker import Task
from allennlp_graphmask.predictors import ExplainingPredictor
from allennlp_graphmask.views.wording import format_kept

if TYPE_CHECKING:
    from allennlp_graphmask.corpus._pool import Pool


@Subcommand.register("explain-corpus")
class ExplainCorpus(Subcommand):
    """Registered as a `Subcommand` with name "explain-corpus"."""

    def add_subparser(self, parser: "argparse._SubParsersAction[argparse.ArgumentParser]") -> argparse.ArgumentParser:
        description = (
            "Explain many inputs by several processes, on this machine or on a cluster of Ray, as a folder of Parquet files. A run that "
            "is interrupted or killed continues when the same command is given again."
        )
        subparser = parser.add_parser(
            self.name, description=description, help="Explain many inputs by several processes."
        )
        add = subparser.add_argument
        add("archive_file", metavar="ARCHIVE", help="as for explain")
        add("input", metavar="INPUT", nargs="+", help="files that explain takes, or patterns such as 'corpus/*.txt'")
        add("-o", "--output-dir", required=True, metavar="DIR", help="the folder for the explanations")
        add("--address", metavar="HOST:PORT", help="of a cluster of Ray that is running (default: this machine)")
        add(
            "--actors",
            type=int,
            metavar="N",
            help="the number of processes that explain (default: one for each CPU or GPU)",
        )
        add(
            "--gpus-per-actor",
            type=float,
            default=0,
            metavar="G",
            help="of each; may be a fraction (default: %(default)s)",
        )
        add(
            "--rows-per-shard",
            type=int,
            default=1000,
            metavar="N",
            help="inputs in each file, and for each process those that a kill makes it explain again (default: %(default)s)",
        )
        add_explaining_options(subparser)
        subparser.set_defaults(func=explain_corpus_for_arguments)
        return subparser


def load(args: argparse.Namespace) -> Tuple[ExplainingPredictor, Dict[str, Any]]:
    """Load what explains, in a process where nothing is loaded yet. Return it with everything that explanations depend on."""
    if args.gpus_per_actor and not torch.cuda.is_available():
        raise ConfigurationError(
            f"--gpus-per-actor is {args.gpus_per_actor:g}, but torch can use no GPU on {socket.gethostname()}. Install a torch there that "
            "is built for its GPUs and their driver, or leave the option out."
        )
    import_plugins()
    for package in getattr(args, "include_package", []):
        import_module_and_submodules(package)
    predictor = build_predictor(args)
    return predictor, {**get_settings(args, predictor), "input_format": args.input_format}


def explain_corpus_for_arguments(args: argparse.Namespace) -> Counts:
    """Explain all inputs. Raise `SystemExit` with `SOME_INPUTS_FAILED` if a part of them could not be explained."""
    check_explaining_options(args)
    check_at_least("explain-corpus", 1, rows_per_shard=args.rows_per_shard)
    check_at_least("explain-corpus", 0, gpus_per_actor=args.gpus_per_actor)
    if args.gpus_per_actor != round(args.gpus_per_actor, 4 if args.gpus_per_actor < 1 else 0):
        raise ConfigurationError(
            f"explain-corpus: gpus_per_actor is {args.gpus_per_actor}, expected a whole number, or below 1 one of at most four decimals: "
            "Ray divides a GPU no further."
        )
    if args.actors is not None:
        check_at_least("explain-corpus", 1, actors=args.actors)
    names = find_inputs(args.input)
    check_installed("explain-corpus", "ray", "pyarrow")
    args.cuda_device = 0 if args.gpus_per_actor else -1
    folder = CorpusFolder(args.output_dir)
    try:
        with folder.locked():
            counts, lost = _explain(args, folder, names)
    except (KeyboardInterrupt, SigTermReceived):
        report("Stopped. The same command continues from here.")
        raise SystemExit(INTERRUPTED) from None
    return _summarise(folder, counts, lost)


def _explain(args: argparse.Namespace, folder: CorpusFolder, names: List[str]) -> Tuple[Counts, List[Shard]]:
    """Explain what is not explained yet. Return what the folder holds then, and the shards that ended their workers."""
    set_ray_environment(args.address)
    from allennlp_graphmask.corpus._pool import Pool, running_ray

    task = Task(
        partial(load, args),
        args.output_dir,
        args.input_format,
        args.text_column,
        args.batch_size,
        args.kept_only,
        args.score_type,
    )
    with running_ray(args.address, args.actors):
        pool = Pool(task, args.actors, args.gpus_per_actor)
        report(
            f"Starting {pool.num_workers} process{'es' if pool.num_workers > 1 else ''} on {args.address or 'this machine'}."
        )
        settings = pool.describe()
        if not folder.resume(settings, names, args.rows_per_shard):
            folder.begin(settings, _count_records(pool, names), args.rows_per_shard)
        counts = folder.read_counts()
        if counts.records:
            report(f"Continuing after {counts.records:,} inputs, which gave {counts.explanations:,} explanations.")
        lost = []
        total = sum(file.num_records for file in folder.inputs)
        with Tqdm.tqdm(total=total, initial=counts.records, desc="explaining", unit=" inputs") as bar:
            bar.set_postfix(failures=counts.failures)
            for shard, added in pool.map("explain", folder.missing_shards()):
                if added is None:
                    lost.append(shard)
                    continue
                counts = counts.plus(added)
                bar.set_postfix(failures=counts.failures, refresh=False)
                bar.update(added.records)
    return counts, lost


def _count_records(pool: "Pool", names: List[str]) -> List[InputFile]:
    """Count the records of all files. Report those that cannot be read."""
    found: Dict[str, InputFile] = {}
    with Tqdm.tqdm(total=len(names), desc="counting", unit=" files") as bar:
        for name, file in pool.map("count", iter(names)):
            if file is None:
                raise ConfigurationError(f"{name}: the workers that read it end, such as for want of memory.")
            if file.failure is not None:
                bar.clear()
                report(f"Not explained: {file.failure}")
            found[name] = file
            bar.update()
    if all(file.failure is not None and not file.num_records for file in found.values()):
        raise ConfigurationError("None of the files can be read, for the reasons above.")
    return [found[name] for name in names]


def _summarise(folder: CorpusFolder, counts: Counts, lost: List[Shard]) -> Counts:
    report(
        f"{counts.explanations:,} explanations of {counts.records:,} inputs, written to {folder.path}. They keep "
        f"{format_kept(counts.kept, counts.messages)}. With these alone {counts.changed:,} predictions change"
        f"{f'; {counts.verified:,} are verified' if counts.verified else ''}."
    )
    if counts.empty or counts.without:
        report(f"Nothing to explain in {counts.empty:,} predictions, and in {counts.without:,} inputs.")
    unread = [file.name for file in folder.inputs if file.failure is not None]
    if counts.failures or unread:
        what = [f"{counts.failures:,} inputs"] * bool(counts.failures)
        what += [f"{len(unread):,} files, or a part of them"] * bool(unread)
        report(f"NOT EXPLAINED: {' and '.join(what)}, for the reasons in {os.path.join(folder.path, 'failed')}.")
    for shard in lost:
        first, last = shard.spans[0], shard.spans[-1]
        report(
            f"NOT EXPLAINED: part {shard.number}, from input {first.first_record + 1} of {first.file} to input "
            f"{last.first_record + last.num_records} of {last.file}: each worker that explained it ended, such as for want of memory. The "
            "same command tries it again."
        )
    if counts.failures or unread or lost:
        raise SystemExit(SOME_INPUTS_FAILED)
    return counts
