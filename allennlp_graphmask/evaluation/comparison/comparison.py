import copy
import importlib.util
import io
import logging
import os
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Union

from allennlp.common import Params, Tqdm
from allennlp.common.checks import ConfigurationError, check_for_gpu
from allennlp.common.from_params import infer_params
from allennlp.common.util import int_to_device
from allennlp.data.data_loaders import MultiProcessDataLoader
from allennlp.data.fields import MetadataField
from allennlp.models import Archive, load_archive
from allennlp.training.metrics import Metric

from allennlp_graphmask.evaluation.comparison.evaluation import Sampling, evaluate_interpreter, fit_interpreter
from allennlp_graphmask.evaluation.comparison.folder import ComparisonFolder, check_label, to_json
from allennlp_graphmask.evaluation.comparison.masker_training import build_allowance_rows, group_maskers, train_maskers
from allennlp_graphmask.evaluation.comparison.table import plot_allowances, plot_fidelity, to_csv, to_latex
from allennlp_graphmask.evaluation.comparison.tuned_threshold import TunedThreshold
from allennlp_graphmask.evaluation.metrics import TRUTH_KEY, EdgeAgreement, EdgeMetric, has_truth
from allennlp_graphmask.explanation.files import write_atomically
from allennlp_graphmask.explanation.provenance import file_fingerprint, with_file_contents
from allennlp_graphmask.interpret.build_explanation import build_provenance
from allennlp_graphmask.interpret.graphmask import GraphMask, model_to_explain
from allennlp_graphmask.interpret.interpreters import Interpreter
from allennlp_graphmask_compat.mistakes import did_you_mean

logger = logging.getLogger(__name__)

#: The version of the form of `results.json`.
RESULTS_VERSION = 2

#: Configurations by label.
Configs = Dict[str, Dict[str, Any]]

DEFAULT_INTERPRETERS = ("leave_one_edge_out", "all_edges", "random")
#: `edge_truth` is added if the data have a truth.
DEFAULT_METRICS = ("edge_kept", "edge_changed", "edge_fidelity", "edge_sufficiency", "edge_unfaithfulness")


def compare_interpreters(
    archive_file: str,
    data: str,
    output_dir: Union[str, "os.PathLike[str]"],
    *,
    interpreters: Optional[Configs] = None,
    metrics: Optional[Configs] = None,
    sampling: Optional[Sampling] = None,
    development_data: Optional[str] = None,
    batch_size: int = 16,
    max_instances: Optional[int] = None,
    seeds: int = 1,
    cuda_device: int = -1,
    target_options: Optional[Mapping[str, str]] = None,
    graphmask_config: Optional[str] = None,
    allowances: Optional[Sequence[float]] = None,
    include_packages: Sequence[str] = (),
    overwrite: bool = False,
) -> Dict[str, Any]:
    """
    Evaluate interpreters of a trained model by several metrics, each beside a random control, and write the results to a folder.
    Interpreters whose results are there already, from a run with equal settings, are not evaluated again. See
    docs/comparing.md.

    # Parameters

    archive_file : `str`
        The archive of a model, or of GraphMask on a model: then the interpreter `graphmask` comes first.
    data : `str`
        What the archive's reader reads: the instances to explain.
    output_dir : `str`
        The folder for the results.
    interpreters : `Dict[str, Dict[str, Any]]`, optional (default = those of `DEFAULT_INTERPRETERS`)
        The configuration of an `Interpreter` for each label.
    metrics : `Dict[str, Dict[str, Any]]`, optional (default = those of `DEFAULT_METRICS`, and `edge_truth` if the data have one)
        The configuration of an `EdgeMetric` for each label.
    sampling : `Sampling`, optional (default = `Sampling()`)
        Its seed is also that of interpreters and of the training of maskers.
    development_data : `str`, optional (default = `None`)
        Other data with a known truth: see `fit_interpreter`.
    batch_size, cuda_device : `int`, optional (default = `16`, `-1`)
    max_instances : `int`, optional (default = `None`)
        Explains no more instances than that.
    seeds : `int`, optional (default = `1`)
        The number of seeds of each interpreter that takes one, whose agreement is measured, and of maskers to train.
    target_options : `Mapping[str, str]`, optional (default = `None`)
        Arguments of `MaskedModel`.
    graphmask_config : `str`, optional (default = `None`)
        A config of GraphMask, by which maskers are trained; see `train_maskers`.
    allowances : `Sequence[float]`, optional (default = `None`)
        A masker is trained for each.
    include_packages : `Sequence[str]`, optional (default = `()`)
        For the training of maskers.
    overwrite : `bool`, optional (default = `False`)
        Replaces results of other settings.

    # Returns

    The content of `results.json`: `version`, `provenance`, `settings`, by label in `interpreters` the result of
    `evaluate_interpreter` without values per instance, and in `allowances` that of `build_allowance_rows`.

    # Raises

    `ConfigurationError` for arguments, data or an archive that do not fit.
    """
    sampling = sampling or Sampling()
    _check_arguments(sampling, batch_size, max_instances, seeds)
    if allowances is not None and graphmask_config is None:
        raise ConfigurationError(
            "allowances need graphmask_config (--graphmask-config): maskers are trained with it, one for each allowance."
        )
    interpreters = dict(interpreters or _without_settings(DEFAULT_INTERPRETERS))
    for label in interpreters:
        check_label(label)
    build_metrics(metrics or {})  # bad ones are reported before anything is loaded
    check_for_gpu(int_to_device(cuda_device))
    archive = load_archive(archive_file, cuda_device=cuda_device)
    target_options = target_options or {}
    masked_model = model_to_explain(archive.model, target_options)
    graphmask = archive.model if isinstance(archive.model, GraphMask) else None
    if graphmask is not None and graphmask_config is not None:
        raise ConfigurationError(
            f"The archive '{archive_file}' is of a masker already. With graphmask_config, give the archive of the model to explain."
        )
    if graphmask is not None and "graphmask" not in [config["type"] for config in interpreters.values()]:
        interpreters = {"graphmask": {"type": "graphmask"}, **interpreters}

    def build(config: Dict[str, Any]) -> List[Interpreter]:
        return build_interpreters(config, graphmask, sampling.seed, seeds)

    built = {label: build(config) for label, config in interpreters.items()}
    tuned = [label for label, [first, *_] in built.items() if isinstance(first, TunedThreshold)]
    if tuned and development_data is None:
        raise ConfigurationError(
            f"The interpreter '{tuned[0]}' needs development_data (--development-data) to choose its threshold on."
        )
    loader = read_data(archive, data, batch_size, cuda_device, max_instances)
    verified = any(config.get("verify") for config in interpreters.values())
    metrics = _choose_metrics(
        metrics, loader, data, with_curve=graphmask_config is not None, with_verification=verified
    )
    development = None
    if development_data is not None:
        development = read_data(archive, development_data, batch_size, cuda_device, None)

    provenance = {
        **build_provenance(archive.model, archive.config.as_dict(quiet=True)),
        "archive": archive_file,
        "data": data,
        "data_sha256": file_fingerprint(data),
    }
    settings = {
        "results_version": RESULTS_VERSION,
        "package": provenance["versions"]["allennlp_graphmask"],
        "config_sha256": provenance["config_sha256"],
        "weights_sha256": provenance["weights_sha256"],
        # The content of a file, not its path; a reader need not read files.
        "data": provenance["data_sha256"] or data,
        "development_data": development_data and (file_fingerprint(development_data) or development_data),
        "metrics": with_file_contents(metrics),
        "batch_size": batch_size,
        "max_instances": max_instances,
        "seeds": seeds,
        **sampling._asdict(),
        **target_options,
    }
    folder = ComparisonFolder(Path(output_dir), settings, overwrite=overwrite)
    folder.create()
    maskers = []
    if graphmask_config is not None:
        maskers = train_maskers(
            graphmask_config,
            archive_file,
            provenance["weights_sha256"],
            allowances or [None],
            folder.path / "allowances",
            seeds=[None] if seeds == 1 else range(sampling.seed, sampling.seed + seeds),
            overwrite=overwrite,
            include_packages=include_packages,
        )
    for label, group in group_maskers(maskers).items():
        files = [masker.archive_file for masker in group]
        interpreters[label] = {"type": "graphmask", "archive_file": files if len(files) > 1 else files[0]}
        built[label] = build(interpreters[label])

    # All are looked for before the first is computed: an error in the last would cost the time of all.
    finished = {label: folder.find(label, config) for label, config in interpreters.items()}
    for label, config in interpreters.items():
        if finished[label] is None:
            fitted = development and [fit_interpreter(one, masked_model, development) for one in built[label]]
            batches = Tqdm.tqdm(loader, desc=label, total=len(loader))
            result = evaluate_interpreter(built[label], masked_model, batches, lambda: build_metrics(metrics), sampling)
            fitting = {"fitting": fitted[0]} if fitted and fitted[0] else {}
            finished[label] = folder.store(label, config, {**fitting, **result})
    results: Dict[str, Any] = {
        "version": RESULTS_VERSION,
        "provenance": provenance,
        "settings": settings,
        "interpreters": {
            label: {key: value for key, value in result.items() if key not in ("per_instance", "fingerprint")}
            for label, result in finished.items()
            if result is not None
        },
    }
    if maskers:
        results["allowances"] = build_allowance_rows(maskers, results["interpreters"])
    _write_results(folder.path, results)
    return results


def build_interpreters(
    config: Dict[str, Any], graphmask: Optional[GraphMask], seed: int, seeds: int
) -> List[Interpreter]:
    """
    Build the interpreter of a configuration and others whose agreement with it is measured: for several values of `archive_file`
    one for each, else, if it takes a seed, the same with the seeds that follow, `seeds` in total. An interpreter of another one
    (`tuned_threshold`) varies as that one does.
    """
    extras = {} if graphmask is None else {"graphmask": graphmask}
    return [Interpreter.from_params(Params(copy.deepcopy(one)), **extras) for one in _vary(config, seed, seeds)]


def _vary(config: Dict[str, Any], seed: int, seeds: int) -> List[Dict[str, Any]]:
    if "interpreter" in config:
        inner = config["interpreter"]
        variants = _vary({"type": inner} if isinstance(inner, str) else inner, seed, seeds)
        return [{**config, "interpreter": variant} for variant in variants]
    if isinstance(config.get("archive_file"), list):
        if not config["archive_file"]:
            raise ConfigurationError(f'archive_file of the interpreter "{config["type"]}" is an empty list.')
        return [{**config, "archive_file": archive_file} for archive_file in config["archive_file"]]
    if "seed" not in infer_params(Interpreter.by_name(config.get("type", ""))):  # type: ignore[arg-type]
        return [config]
    first = config.get("seed", seed)
    return [{**config, "seed": first + number} for number in range(seeds)]


def build_metrics(configs: Configs) -> Dict[str, EdgeMetric]:
    """
    Build metrics of attributions, by label. Raise a `ConfigurationError` if one is not a metric of single attributions.
    """
    metrics = {}
    for label, config in configs.items():
        settings = {key: value for key, value in copy.deepcopy(config).items() if key != "type"}
        known = Metric.list_available()
        kind: Any = Metric.by_name(config["type"]) if config["type"] in known else None
        if not (isinstance(kind, type) and issubclass(kind, EdgeMetric)) or kind is EdgeAgreement:
            names = [name for name in sorted(known) if name.startswith("edge_") and name != "edge_agreement"]
            raise ConfigurationError(
                f"The metric '{label}' has the type {config['type']!r}, expected one of {', '.join(names)}. edge_agreement is measured with "
                f"several seeds (--seeds).{did_you_mean(config['type'], names)}"
            )
        metrics[label] = kind.from_params(Params(settings))
    return metrics


def _without_settings(names: Sequence[str]) -> Configs:
    return {name: {"type": name} for name in names}


def _check_arguments(sampling: Sampling, batch_size: int, max_instances: Optional[int], seeds: int) -> None:
    numbers = {"batch_size": batch_size, "max_instances": max_instances, "seeds": seeds, **sampling._asdict()}
    for name, value in numbers.items():
        least = 0 if name == "seed" else 1
        if name != "confidence" and value is not None and value < least:
            raise ConfigurationError(f"{name} is {value}, expected at least {least}.")
    if not 0 < sampling.confidence < 1:
        raise ConfigurationError(
            f"confidence is {sampling.confidence}, expected a number between 0 and 1, such as 0.95."
        )


def read_data(
    archive: Archive, data: str, batch_size: int, cuda_device: int, max_instances: Optional[int]
) -> MultiProcessDataLoader:
    """Read data into memory; the loader gives batches on the model's device."""
    reader, device = archive.validation_dataset_reader, int_to_device(cuda_device)
    own = reader.max_instances
    reader.max_instances = own if max_instances is None else max_instances
    loader = MultiProcessDataLoader(reader, data, batch_size=batch_size, cuda_device=device)
    reader.max_instances = own
    loader.index_with(archive.model.vocab)
    if not len(loader):
        raise ConfigurationError(f"The data '{data}' have no instances: there is nothing to explain.")
    return loader


def _choose_metrics(
    metrics: Optional[Configs], loader: MultiProcessDataLoader, data: str, *, with_curve: bool, with_verification: bool
) -> Configs:
    """Complete the metrics, and check that there is a truth for those that need it."""
    fields = (instance.fields.get("metadata") for instance in loader.iter_instances())
    known = any(has_truth(field.metadata) for field in fields if isinstance(field, MetadataField))
    chosen = dict(metrics or _without_settings(DEFAULT_METRICS))
    types = [config["type"] for config in chosen.values()]
    added = ["edge_truth"] if known and metrics is None else []
    added += ["edge_kept", "edge_changed"] if with_curve else []
    added += ["edge_verification"] if with_verification and metrics is None else []
    chosen.update(_without_settings([name for name in added if name not in types]))
    for label, metric in build_metrics(chosen).items():
        if metric.needs_truth and not known:
            raise ConfigurationError(
                f"The metric '{label}' needs data that state which messages matter, and no instance of '{data}' does: its metadata "
                f"must have '{TRUTH_KEY}', a list of layers, each a list of true, false or null for each edge."
            )
    return chosen


def _write_results(folder: Path, results: Dict[str, Any]) -> None:
    write_atomically(folder / "results.json", to_json(results))
    write_atomically(folder / "results.csv", to_csv(results))
    write_atomically(folder / "results.tex", to_latex(results))
    if importlib.util.find_spec("matplotlib") is None:
        logger.warning("No plots: matplotlib is not installed (pip install matplotlib, then run the command again).")
        return
    for draw, name in ((plot_fidelity, "fidelity.png"), (plot_allowances, "allowances.png")):
        image = io.BytesIO()
        if draw(results, image):
            write_atomically(folder / name, image.getvalue())
