import copy
from typing import Any, Dict, List, Optional

from allennlp.common import Params
from allennlp.common.checks import ConfigurationError
from allennlp.common.from_params import infer_params

from allennlp_graphmask.interpret.graphmask import GraphMask
from allennlp_graphmask.interpret.interpreters import Interpreter


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
