"""Workers as actors of Ray, which is made to believe in two GPUs. Run by `make test-cluster`."""

import json
import subprocess
import sys
from typing import Any, Dict

import pytest
import torch

from tests.predictors.inputs import CONLL

# Ray reads its variables when it is imported: a process of its own.
SCRIPT = """
import contextlib, json, sys
from unittest import mock
from allennlp.__main__ import run
from allennlp.common.checks import ConfigurationError
from allennlp_graphmask.corpus.ray_environment import set_ray_environment
from allennlp_graphmask.corpus.worker import Task

set_ray_environment(None)
import ray
from allennlp_graphmask.corpus import _pool

def load():
    return None, {"gpus": len(ray.get_gpu_ids())}

ray.init(address="local", num_cpus=3, num_gpus=2, include_dashboard=False, log_to_driver=False)
found = {}
for gpus in json.loads(sys.argv.pop(1)):
    try:
        pool = _pool.Pool(Task(load, "out", None, "text", 1, False, "float32"), None, gpus)
        found[gpus] = [pool.num_workers, pool.describe()["gpus"]]
        del pool
    except ConfigurationError as error:
        found[gpus] = error.message
print(json.dumps(found), flush=True)
with mock.patch.object(_pool, "running_ray", lambda *_: contextlib.nullcontext()):
    run()
"""
GPUS = [0, 1, 2, 0.5, 3]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: Any, graphmask_archive_file: str) -> "subprocess.CompletedProcess[str]":
    """A process that prints what workers with so many GPUs each have, or the error; then the command runs, with one each."""
    pytest.importorskip("ray", reason="needs the extra `cluster`")
    folder = tmp_path_factory.mktemp("pool")
    (folder / "a.conll09").write_text(CONLL)
    command = ["explain-corpus", graphmask_archive_file, "a.conll09", "-o", "out", "--gpus-per-actor", "1"]
    script = [sys.executable, "-c", SCRIPT, json.dumps(GPUS), *command]
    return subprocess.run(script, cwd=folder, capture_output=True, text=True, timeout=300)


@pytest.mark.cluster
def test_workers_have_their_gpus(finished) -> None:
    found: Dict[str, Any] = json.loads(finished.stdout.splitlines()[0])
    # As many workers as there is room for: each has a CPU, too.
    assert [found[str(gpus)] for gpus in GPUS[:4]] == [[3, 0], [2, 1], [1, 2], [3, 1]]
    assert "--gpus-per-actor is 3" in found["3"] and "2 GPUs" in found["3"]


@pytest.mark.cluster
@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_named(finished) -> None:
    assert finished.returncode == 2
    # The other worker's is not printed.
    assert finished.stderr.splitlines()[-1].startswith("error: --gpus-per-actor is 1, but")
    assert "mistakes.py" not in finished.stderr and "explain_corpus.py" not in finished.stderr
