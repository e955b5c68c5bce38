"""
Trains models and GraphMask on each, explains and writes pages, in the folder that it is run in: `python -m tests.training.whole_run
OPTIONS NAME...`, where the options are JSON for the data loader of training.
"""

import json
import sys
from typing import Any, Dict, List

from allennlp.commands import main as allennlp
from allennlp.common import Params
from allennlp.common.plugins import import_plugins

from allennlp_graphmask.views.__main__ import main as write_pages
from tests.configs import graphmask_config, task_config


def run(name: str, loader: Dict[str, Any]) -> None:
    config = task_config(name)
    for kind in ("model", "graphmask"):
        folder = f"{name}_{kind}"
        config["data_loader"] = {**config["data_loader"], **loader}
        Params(config).to_file(f"{folder}.json")
        call("train", f"{folder}.json", "-s", folder)
        config = graphmask_config(name, f"{name}_model/model.tar.gz")
    lines = f"{name}.jsonl"
    archive = f"{name}_graphmask/model.tar.gz"
    call("explain", archive, config["validation_data_path"], "-o", lines)
    assert write_pages([lines, "-o", f"{name}_pages"]) == 0


def call(*arguments: str) -> None:
    sys.argv = ["allennlp", *arguments]
    allennlp(prog="allennlp")


def main(arguments: List[str]) -> None:
    import_plugins()
    for name in arguments[1:]:
        run(name, json.loads(arguments[0]))


if __name__ == "__main__":
    main(sys.argv[1:])
