"""
`allennlp compare-interpreters ARCHIVE DATA -o DIR` evaluates interpreters of a trained model by several metrics, each beside a
random control; see docs/comparing.md.
"""

import argparse
import logging
import os
from typing import Any, Dict, List, Optional

from allennlp.commands.subcommand import Subcommand
from allennlp.common import Params
from allennlp.common.checks import ConfigurationError
from allennlp.training.metrics import Metric

from allennlp_graphmask.commands.archives import (
    add_target_options,
    add_trust_option,
    get_target_options,
    require_checked_archives,
)
from allennlp_graphmask.evaluation.comparison import (
    DEFAULT_INTERPRETERS,
    DEFAULT_METRICS,
    Sampling,
    advise,
    compare_interpreters,
    format_summary,
)
from allennlp_graphmask_compat.loading import trusting_archives


def parse_configs(argument: Optional[str], what: str) -> Optional[Dict[str, Dict[str, Any]]]:
    """
    Parse names separated by commas, or the path of a JSON or jsonnet file, into configurations by label; `None` gives
    `None`. A file holds an object with a registered name, or an object with `type`, for each label; it may stand under
    the key `what`, which is `"interpreters"` or `"metrics"`. The prefix `edge_` of metrics may be left out.

    # Raises

    `ConfigurationError` if there is none, a label comes twice, or the file has another form.
    """
    if argument is None:
        return None
    found: Any
    if argument.endswith((".json", ".jsonnet", ".libsonnet")):
        if not os.path.isfile(argument):
            raise ConfigurationError(f"--{what} names the file '{argument}', which does not exist.")
        found = Params.from_file(argument).as_dict(quiet=True)
        if set(found) == {what}:
            found = found[what]
    else:
        names = [name.strip() for name in argument.split(",") if name.strip()]
        found = {name: name for name in names}
        if len(found) < len(names):
            repeated = sorted({name for name in names if names.count(name) > 1})
            raise ConfigurationError(
                f"--{what} names {', '.join(repeated)} more than once. To compare two settings, give a file: an object with a "
                "configuration for each label."
            )
    if not isinstance(found, dict) or not found:
        raise ConfigurationError(
            f"--{what} {argument!r} gives no {what}: expected registered names separated by commas, or a JSON or jsonnet file with "
            'an object such as {"label": {"type": ...}}.'
        )
    configs = {}
    for label, config in found.items():
        config = {"type": config} if isinstance(config, str) else config
        if not isinstance(config, dict) or not isinstance(config.get("type"), str):
            raise ConfigurationError(
                f"--{what}: '{label}' is {config!r}, expected a registered name or an object with \"type\"."
            )
        full_name = f"edge_{config['type']}"
        if what == "metrics" and full_name in Metric.list_available():
            label = full_name if label == config["type"] else label
            config = {**config, "type": full_name}
        configs[label] = config
    return configs


def parse_allowances(argument: Optional[str]) -> Optional[List[float]]:
    """Parse different positive numbers, separated by commas. If they are not, raise a `ConfigurationError`."""
    if argument is None:
        return None
    try:
        allowances = sorted(float(part) for part in argument.split(","))
    except ValueError:
        allowances = []
    if not allowances or len(set(allowances)) != len(allowances) or not allowances[0] > 0:
        raise ConfigurationError(
            f"--allowances is {argument!r}, expected different positive numbers separated by commas, such as 0.01,0.05,0.2."
        )
    return allowances


@Subcommand.register("compare-interpreters")
class CompareInterpreters(Subcommand):
    """Registered as a `Subcommand` with name "compare-interpreters"."""

    def add_subparser(self, parser: "argparse._SubParsersAction[argparse.ArgumentParser]") -> argparse.ArgumentParser:
        description = (
            "Evaluate interpreters of a trained model by several metrics, each beside a random control that keeps as many messages. "
            "Interpreters that were finished in an earlier, interrupted run with equal settings are not evaluated again."
        )
        subparser = parser.add_parser(
            self.name, description=description, help="Evaluate interpreters of a trained model."
        )
        add = subparser.add_argument
        add("archive_file", metavar="ARCHIVE", help="the archive of a model, or of GraphMask on a model")
        add("data", metavar="DATA", help="the file whose instances are explained, for the archive's reader")
        add("-o", "--output-dir", required=True, metavar="DIR", help="the folder for the results")
        add(
            "--interpreters",
            metavar="NAMES|FILE",
            help="registered names separated by commas, or a JSON or jsonnet file with a configuration for each label "
            f"(default: {','.join(DEFAULT_INTERPRETERS)}); with an archive of GraphMask, graphmask comes first",
        )
        add(
            "--metrics",
            metavar="NAMES|FILE",
            help=f"in the same form (default: {','.join(DEFAULT_METRICS)}, and edge_truth where the data state the truth)",
        )
        add(
            "--development-data",
            metavar="DATA",
            help="other data with a known truth, on which tuned_threshold chooses its threshold; information_bottleneck takes the "
            "statistics of messages from it",
        )
        add("--max-instances", type=int, metavar="N", help="explain the first N instances only")
        for name, default, meaning in (
            ("batch-size", 16, "instances in a batch"),
            ("seed", 0, "of interpreters, controls and intervals"),
            ("seeds", 1, "seeds of each interpreter that takes one, and maskers to train; their agreement is reported"),
            ("num-random-controls", 3, "random controls of each explanation"),
            ("bootstrap-draws", 1000, "samples of instances for the intervals"),
            ("confidence", 0.95, "of the intervals"),
            ("cuda-device", -1, "id of the GPU to use"),
        ):
            add(f"--{name}", type=type(default), default=default, help=meaning)
        add_target_options(subparser)
        add_trust_option(subparser)
        add(
            "--allowances",
            metavar="A,B,C",
            help="also train a masker for each of these allowances, evaluate them, and draw kept share against changed predictions",
        )
        add(
            "--graphmask-config",
            metavar="FILE",
            help="also train maskers with this config of GraphMask, one for each of --allowances (if given) and --seeds; the model to "
            "explain and its vocabulary are those of ARCHIVE",
        )
        add("--force", action="store_true", help="replace results of other settings")
        subparser.set_defaults(func=compare_from_args)
        return subparser


def compare_from_args(args: argparse.Namespace) -> Dict[str, Any]:
    """Compare interpreters as the arguments ask for, and print a table."""
    # As in AllenNLP's evaluate: it would list every argument of everything that is built.
    logging.getLogger("allennlp.common.params").disabled = True
    with trusting_archives(args.trust):
        require_checked_archives()
        results = compare_interpreters(
            args.archive_file,
            args.data,
            args.output_dir,
            interpreters=parse_configs(args.interpreters, "interpreters"),
            metrics=parse_configs(args.metrics, "metrics"),
            sampling=Sampling(args.seed, args.num_random_controls, args.bootstrap_draws, args.confidence),
            development_data=args.development_data,
            batch_size=args.batch_size,
            max_instances=args.max_instances,
            seeds=args.seeds,
            cuda_device=args.cuda_device,
            target_options=get_target_options(args),
            graphmask_config=args.graphmask_config,
            allowances=parse_allowances(args.allowances),
            include_packages=getattr(args, "include_package", ()),
            overwrite=args.force,
        )
    for line in format_summary(results) + advise(results.get("allowances", ())):
        print(line)
    print(
        f"Written to {args.output_dir}: results.json, results.csv, results.tex, and per interpreter interpreters/NAME.json."
    )
    return results
