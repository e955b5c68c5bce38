"""
`allennlp compare-interpreters ARCHIVE DATA -o DIR` judges interpreters of a trained model by several metrics, each beside a
random control; see docs/comparing.md.
"""

import argparse
import copy
import io
import logging
import os
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional

from allennlp.commands.subcommand import Subcommand
from allennlp.common import Params, Tqdm
from allennlp.common.checks import ConfigurationError, check_for_gpu
from allennlp.common.from_params import infer_params
from allennlp.common.util import int_to_device
from allennlp.data.data_loaders import MultiProcessDataLoader
from allennlp.models import Archive, load_archive
from allennlp.training.metrics import Metric

from allennlp_graphmask.commands.archives import add_target_options, get_target_options
from allennlp_graphmask.evaluation.comparison import (
    ComparisonFolder,
    Sampling,
    evaluate_interpreter,
    plot,
    plot_allowances,
    summary_lines,
    to_csv,
)
from allennlp_graphmask.evaluation.comparison.folder import (
    check_label,
    to_json,
)
from allennlp_graphmask.evaluation.comparison.masker_training import (
    TrainedMasker,
    advice,
    allowance_rows,
    parse_allowances,
    train_maskers,
)
from allennlp_graphmask.evaluation.metrics import EdgeAgreement, EdgeMetric, truth_of_batch
from allennlp_graphmask.explanation.files import write_atomically
from allennlp_graphmask.explanation.provenance import file_fingerprint, with_file_contents
from allennlp_graphmask.graph import Graph
from allennlp_graphmask.interpret.build_explanation import build_provenance
from allennlp_graphmask.interpret.graphmask import GraphMask
from allennlp_graphmask.interpret.interpreters import Interpreter
from allennlp_graphmask.predictors.load import load_masked_model

logger = logging.getLogger(__name__)

#: The version of the form of `results.json`.
RESULTS_VERSION = 1

DEFAULT_INTERPRETERS = "leave_one_edge_out,all_edges,random"
#: `edge_truth` comes with them where the data tell the truth.
DEFAULT_METRICS = "edge_kept,edge_changed,edge_fidelity,edge_sufficiency,edge_unfaithfulness"


def parse_configs(argument: str, what: str) -> Dict[str, Dict[str, Any]]:
    """
    From names separated by commas, or the path of a JSON or jsonnet file, to configurations by label. A file holds an object with
    a registered name, or an object with `type`, for each label; it may stand under the key `interpreters` or `metrics`.

    # Parameters

    argument : `str`
    what : `str`
        `"interpreters"` or `"metrics"`.

    # Raises

    `ConfigurationError` if there is none, a label comes twice, or the file has another form.
    """
    if argument.endswith((".json", ".jsonnet", ".libsonnet")):
        if not os.path.isfile(argument):
            raise ConfigurationError(f"--{what} names the file '{argument}', which does not exist.")
        found: Any = Params.from_file(argument).as_dict(quiet=True)
        if set(found) == {what}:
            found = found[what]
    else:
        names = [name.strip() for name in argument.split(",") if name.strip()]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ConfigurationError(
                f"--{what} names {', '.join(twice)} more than once. To compare two settings, give a file: an object with a "
                "configuration for each label."
            )
        found = {name: name for name in names}
    if not isinstance(found, dict) or not found:
        raise ConfigurationError(
            f"--{what} {argument!r} gives no {what}: expected registered names separated by commas, or a JSON or jsonnet file with "
            'an object such as {"label": {"type": ...}}.'
        )
    configs = {}
    for label, config in found.items():
        check_label(label)
        config = {"type": config} if isinstance(config, str) else config
        if not isinstance(config, dict) or not isinstance(config.get("type"), str):
            raise ConfigurationError(
                f"--{what}: '{label}' is {config!r}, expected a registered name or an object with \"type\"."
            )
        configs[label] = config
    return configs


def metric_configs(argument: str) -> Dict[str, Dict[str, Any]]:
    """As `parse_configs`; the prefix `edge_` of names may be left out."""
    configs = {}
    for label, config in parse_configs(argument, "metrics").items():
        full_name = f"edge_{config['type']}"
        if full_name in Metric.list_available():
            label = full_name if label == config["type"] else label
            config = {**config, "type": full_name}
        configs[label] = config
    return configs


def build_metrics(configs: Dict[str, Dict[str, Any]]) -> Dict[str, EdgeMetric]:
    """
    # Raises

    `ConfigurationError` if one is no metric of single attributions.
    """
    metrics = {}
    for label, config in configs.items():
        kind: Any = Metric.by_name(config["type"])
        if not issubclass(kind, EdgeMetric) or issubclass(kind, EdgeAgreement):
            choices = [
                name
                for name in sorted(Metric.list_available())
                if name.startswith("edge_") and name != "edge_agreement"
            ]
            raise ConfigurationError(
                f"--metrics: '{label}' is {config['type']}, expected one of {', '.join(choices)}."
                + (" Agreement is measured with --seeds." if issubclass(kind, EdgeAgreement) else "")
            )
        metrics[label] = kind.from_params(Params(_without_type(config)))
    return metrics


def _without_type(config: Dict[str, Any]) -> Dict[str, Any]:
    return copy.deepcopy({key: value for key, value in config.items() if key != "type"})


def build_interpreters(
    config: Dict[str, Any], graphmask: Optional[GraphMask], seed: int, seeds: int
) -> List[Interpreter]:
    """
    The interpreter of a configuration and others whose agreement with it is measured: for several values of `archive_file` one for
    each, else, if it takes a seed, the same with the seeds that follow, `seeds` altogether.
    """

    def build(**settings: Any) -> Interpreter:
        extras = {} if graphmask is None else {"graphmask": graphmask}
        return Interpreter.from_params(Params(copy.deepcopy({**config, **settings})), **extras)

    if isinstance(config.get("archive_file"), list):
        if not config["archive_file"]:
            raise ConfigurationError(f'archive_file of the interpreter "{config["type"]}" is an empty list.')
        return [build(archive_file=archive_file) for archive_file in config["archive_file"]]
    if "seed" not in infer_params(Interpreter.by_name(config["type"])):  # type: ignore[arg-type]
        return [build()]
    first = config.get("seed", seed)
    return [build(seed=first + number) for number in range(seeds)]


def read_batches(archive: Archive, args: argparse.Namespace) -> MultiProcessDataLoader:
    """The batches of the data, on the model's device."""
    reader = archive.validation_dataset_reader
    if args.max_instances is not None:
        reader.max_instances = args.max_instances
    loader = MultiProcessDataLoader(
        reader, args.data, batch_size=args.batch_size, cuda_device=int_to_device(args.cuda_device)
    )
    loader.index_with(archive.model.vocab)
    return loader


class Comparison:
    """
    What the command does, step by step.

    # Parameters

    args : `argparse.Namespace`
        See `allennlp compare-interpreters --help`.
    """

    def __init__(self, args: argparse.Namespace) -> None:
        check_positive(args)
        self.args = args
        # Bad arguments are reported before anything is loaded.
        self.interpreter_configs = parse_configs(args.interpreters or DEFAULT_INTERPRETERS, "interpreters")
        self.metric_configs = metric_configs(args.metrics or DEFAULT_METRICS)
        build_metrics(self.metric_configs)
        self.sampling = Sampling(args.seed, args.num_random_controls, args.bootstrap_draws, args.confidence)
        check_for_gpu(int_to_device(args.cuda_device))
        archive = load_archive(args.archive_file, cuda_device=args.cuda_device)
        self.masked_model = load_masked_model(archive, get_target_options(args))
        self.graphmask = archive.model if isinstance(archive.model, GraphMask) else None
        self.provenance = {
            **build_provenance(archive.model, archive.config.as_dict(quiet=True)),
            "archive": args.archive_file,
            "data": args.data,
            "data_sha256": file_fingerprint(args.data),
        }
        self.maskers = self._train_maskers()
        types = [config["type"] for config in self.interpreter_configs.values()]
        if self.graphmask is not None and "graphmask" not in types:
            self.interpreter_configs = {"graphmask": {"type": "graphmask"}, **self.interpreter_configs}
        self.interpreters = {
            label: build_interpreters(config, self.graphmask, args.seed, args.seeds)
            for label, config in self.interpreter_configs.items()
        }
        self.loader = read_batches(archive, args)
        self._settle_truth()

    def _train_maskers(self) -> List[TrainedMasker]:
        """Those of the allowances become interpreters."""
        args = self.args
        if args.graphmask_config is None:
            return []
        if self.graphmask is not None:
            raise ConfigurationError(
                f"The archive '{args.archive_file}' is of a masker already. With --graphmask-config, give the archive of the model to explain."
            )
        maskers = train_maskers(
            args.graphmask_config,
            args.archive_file,
            self.provenance["weights_sha256"],
            [None] if args.allowances is None else parse_allowances(args.allowances),
            Path(args.output_dir) / "allowances",
            seeds=[None] if args.seeds == 1 else range(args.seed, args.seed + args.seeds),
            overwrite=args.force,
            include_packages=getattr(args, "include_package", ()),
        )
        for label in dict.fromkeys(masker.label for masker in maskers):
            files = [masker.archive_file for masker in maskers if masker.label == label]
            archive_file = files if len(files) > 1 else files[0]
            self.interpreter_configs[label] = {"type": "graphmask", "archive_file": archive_file}
        # What the curve is made of.
        for name in ("edge_kept", "edge_changed"):
            if name not in [config["type"] for config in self.metric_configs.values()]:
                self.metric_configs[name] = {"type": name}
        return maskers

    def _settle_truth(self) -> None:
        """Adds `edge_truth` where the data tell the truth and metrics were not chosen."""
        num_instances, known = 0, False
        for batch in self.loader:
            inputs: List[Any] = list(batch.values())
            graphs = [value for value in inputs if isinstance(value, Graph)]
            num_instances += graphs[0].num_graphs if graphs else 1
            if not known and graphs:
                known = truth_of_batch(batch, graphs[0], self.masked_model.encoder.num_layers) is not None
        if not num_instances:
            raise ConfigurationError(
                f"The data '{self.args.data}' have no instances: there is nothing to explain."
            )
        truth = [label for label, config in self.metric_configs.items() if config["type"] == "edge_truth"]
        if truth and not known:
            raise ConfigurationError(
                f"The metric '{truth[0]}' needs data that tell which messages matter, and no instance of '{self.args.data}' does: its "
                "metadata must have 'edge_truth', a list of layers, each a list of true, false or null for each edge."
            )
        if known and not truth and self.args.metrics is None:
            self.metric_configs["edge_truth"] = {"type": "edge_truth"}

    def settings(self) -> Dict[str, Any]:
        """All that the results depend on, but for the interpreters."""
        args = self.args
        return {
            "results_version": RESULTS_VERSION,
            "package": self.provenance["versions"]["allennlp_graphmask"],
            "config_sha256": self.provenance["config_sha256"],
            "weights_sha256": self.provenance["weights_sha256"],
            # A path alone says nothing of what was read; a reader need not read files.
            "data": self.provenance["data_sha256"] or args.data,
            "metrics": with_file_contents(self.metric_configs),
            "batch_size": args.batch_size,
            "max_instances": args.max_instances,
            "seed": args.seed,
            "seeds": args.seeds,
            "num_random_controls": args.num_random_controls,
            "bootstrap_draws": args.bootstrap_draws,
            "confidence": args.confidence,
            **get_target_options(args),
        }

    def run(self) -> Dict[str, Any]:
        """Judges what has not been judged yet and writes all results; gives those of `results.json`."""
        folder = ComparisonFolder(Path(self.args.output_dir), self.settings(), overwrite=self.args.force)
        # Before the first of them is computed: an error in the last would cost the time of all.
        finished = {
            label: folder.finished(label, config) for label, config in self.interpreter_configs.items()
        }
        for label, config in self.interpreter_configs.items():
            if finished[label] is not None:
                logger.info("%s was judged before", label)
                continue
            finished[label] = folder.store(
                label,
                config,
                evaluate_interpreter(
                    self.interpreters[label],
                    self.masked_model,
                    self._batches(label),
                    lambda: build_metrics(self.metric_configs),
                    self.sampling,
                ),
            )
        results = {
            "version": RESULTS_VERSION,
            "provenance": self.provenance,
            "settings": self.settings(),
            "interpreters": {
                label: {
                    key: value for key, value in result.items() if key not in ("per_instance", "fingerprint")
                }
                for label, result in finished.items()
                if result is not None
            },
        }
        if self.maskers:
            results["allowances"] = allowance_rows(self.maskers, results)
        write_atomically(folder.path / "results.json", to_json(results))
        write_atomically(folder.path / "results.csv", to_csv(results))
        self._plot(plot, results, folder.path / "fidelity.png")
        if self.maskers:
            self._plot(plot_allowances, results, folder.path / "allowances.png")
        return results

    def _batches(self, label: str) -> Iterator[Dict[str, Any]]:
        yield from Tqdm.tqdm(self.loader, desc=label, total=len(self.loader))

    def _plot(self, draw: Callable[..., bool], results: Dict[str, Any], path: Path) -> None:
        image = io.BytesIO()
        try:
            drawn = draw(results, image)
        except ModuleNotFoundError as error:
            if error.name is None or error.name.split(".")[0] != "matplotlib":
                raise
            print(
                "No plot: matplotlib is not installed (pip install matplotlib, then run the command again)."
            )
            return
        if drawn:
            write_atomically(path, image.getvalue())


def check_positive(args: argparse.Namespace) -> None:
    """
    # Raises

    `ConfigurationError` if a number of the command's makes no sense.
    """
    for name in ("batch_size", "max_instances", "seeds", "num_random_controls", "bootstrap_draws"):
        value = getattr(args, name)
        if value is not None and value < 1:
            raise ConfigurationError(f"--{name.replace('_', '-')} is {value}, expected at least 1.")
    if not 0 < args.confidence < 1:
        raise ConfigurationError(
            f"--confidence is {args.confidence}, expected a number between 0 and 1, such as 0.95."
        )
    if args.allowances is not None and args.graphmask_config is None:
        raise ConfigurationError(
            "--allowances needs --graphmask-config: maskers are trained with that config, one for each allowance."
        )
    if args.allowances is not None:
        parse_allowances(args.allowances)


@Subcommand.register("compare-interpreters")
class CompareInterpreters(Subcommand):
    """
    Registered as a `Subcommand` with name "compare-interpreters".
    """

    def add_subparser(self, parser: argparse._SubParsersAction) -> argparse.ArgumentParser:
        description = (
            "Judge interpreters of a trained model by several metrics, each beside a random control with as many messages. "
            "Interpreters that were finished in an earlier, interrupted run with equal settings are not judged again."
        )
        subparser = parser.add_parser(
            self.name, description=description, help="Judge interpreters of a trained model."
        )
        add = subparser.add_argument
        add("archive_file", metavar="ARCHIVE", help="the archive of a model, or of GraphMask on a model")
        add("data", metavar="DATA", help="the file whose instances are explained, for the archive's reader")
        add("-o", "--output-dir", required=True, metavar="DIR", help="the folder for the results")
        add(
            "--interpreters",
            metavar="NAMES|FILE",
            help="registered names separated by commas, or a JSON or jsonnet file with a configuration for each label "
            f"(default: {DEFAULT_INTERPRETERS}); with an archive of GraphMask, graphmask comes first",
        )
        add(
            "--metrics",
            metavar="NAMES|FILE",
            help=f"in the same form (default: {DEFAULT_METRICS}, and edge_truth where the data tell the truth)",
        )
        add("--batch-size", type=int, default=16, help="(default: %(default)s)")
        add("--max-instances", type=int, help="explain no more than the first so many instances")
        add(
            "--seed",
            type=int,
            default=0,
            help="of interpreters, controls and intervals (default: %(default)s)",
        )
        add(
            "--seeds",
            type=int,
            default=1,
            help="run interpreters that take a seed with so many, with --graphmask-config train so many maskers, and report how far "
            "they agree (default: %(default)s)",
        )
        add(
            "--num-random-controls",
            type=int,
            default=3,
            help="random controls of each explanation (default: %(default)s)",
        )
        add(
            "--bootstrap-draws",
            type=int,
            default=1000,
            help="samples of instances for the intervals (default: %(default)s)",
        )
        add("--confidence", type=float, default=0.95, help="of the intervals (default: %(default)s)")
        add("--cuda-device", type=int, default=-1, help="id of the GPU to use (default: none)")
        add_target_options(subparser)
        add(
            "--allowances",
            metavar="A,B,C",
            help="also train a masker for each of these allowances, judge them, and draw kept share against changed predictions",
        )
        add(
            "--graphmask-config",
            metavar="FILE",
            help="also train maskers with this config of GraphMask, one for each of --allowances (if given) and --seeds; the model to "
            "explain and its vocabulary are those of ARCHIVE",
        )
        add("--force", action="store_true", help="replace results of other settings")
        subparser.set_defaults(func=compare_for_arguments)
        return subparser


def compare_for_arguments(args: argparse.Namespace) -> Dict[str, Any]:
    # As in AllenNLP's evaluate: it would list every argument of everything that is built.
    logging.getLogger("allennlp.common.params").disabled = True
    comparison = Comparison(args)
    results = comparison.run()
    for line in summary_lines(results) + advice(comparison.maskers):
        print(line)
    print(
        f"Written to {args.output_dir}: results.json, results.csv, and per interpreter interpreters/NAME.json."
    )
    return results
