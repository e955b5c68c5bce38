"""On a GPU everything is what it is on the CPU, and what `allennlp explain` writes is the same each time."""

import copy
import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, Iterator

import pytest
import torch
from allennlp.common import Params
from allennlp.common.plugins import import_plugins
from allennlp.models import Model
from allennlp.nn.util import move_to_device

from allennlp_graphmask.interpret.edge_attribution import EdgeAttribution
from allennlp_graphmask.interpret.graphmask import GraphMask, choose_threshold
from allennlp_graphmask.interpret.interpreters import AmortisedGraphMask, Interpreter
from allennlp_graphmask.interpret.masked_model import MaskedModel
from allennlp_graphmask.interpret.maskers import EdgeFeature, Masker
from tests.interpret.interpreters.cases import SETTINGS, build
from tests.interpret.interpreters.tied import TASKS, Tied, tied_task
from tests.models.building import make_batch

import_plugins()

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch finds no GPU"),
]

TOLERANCE = 1e-4
ROOT = Path(__file__).resolve().parents[2]
MASKERS: Dict[str, Dict[str, Any]] = {
    "edgewise": {"type": "edgewise"},
    "edgewise, all features": {"type": "edgewise", "features": sorted(EdgeFeature.list_available())},
    "bilinear": {"type": "bilinear"},
}
OBJECTIVES: Dict[str, Dict[str, Any]] = {
    "lagrangian": {},
    "straight-through": {"gates": "straight_through"},
    "all budgets": {"objective": {"type": "all_budgets"}},
}


@pytest.fixture(scope="module", autouse=True)
def exact() -> Iterator[None]:
    """LSTMs multiply in TF32 by default, with three digits."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cudnn.allow_tf32 = before


@pytest.fixture(scope="module")
def tasks(tmp_path_factory) -> Dict[str, Tied]:
    return {name: tied_task(name, tmp_path_factory.mktemp("tied")) for name in TASKS}


def to_gpu(value: Any) -> Any:
    return move_to_device(value, torch.device("cuda", 0))


def copy_target(tied: Tied) -> Model:
    target = copy.deepcopy(tied.masked_model.target)
    # Sums of AllenNLP's metrics stay on the device that they began on.
    target.get_metrics(reset=True)
    return target


def on_gpu(tied: Tied) -> MaskedModel:
    return MaskedModel(copy_target(tied).cuda())


def batch_of(tied: Tied) -> Dict[str, Any]:
    return make_batch(tied.instances, tied.vocabulary)


def graphmask(tied: Tied, **settings: Any) -> GraphMask:
    torch.manual_seed(4)
    settings = {"masker": {"type": "edgewise"}, "focus": "all", **settings}
    model = GraphMask.from_params(Params(copy.deepcopy(settings)), vocab=tied.vocabulary, target=copy_target(tied))
    with torch.no_grad():
        for parameter in model.masker.parameters():
            if parameter.dim() == 1:
                parameter.normal_(std=0.5)
    return model.eval()


def assert_close(first: Any, second: Any) -> None:
    first, second = first.double(), second.cpu().double()
    scale = max([1.0, *first[first.isfinite()].abs().tolist()])
    torch.testing.assert_close(second, first, atol=TOLERANCE * scale, rtol=0, equal_nan=True)


def assert_same(cpu: EdgeAttribution, gpu: EdgeAttribution) -> None:
    for first, second in zip(cpu.scores, gpu.scores, strict=True):
        assert_close(first, second)
    for first, second in zip(cpu.kept, gpu.kept, strict=True):
        assert torch.equal(first, second.cpu())


@pytest.mark.parametrize("task", TASKS)
def test_models(task, tasks) -> None:
    tied = tasks[task]
    with torch.no_grad():
        cpu = tied.masked_model.target(**batch_of(tied))
        gpu = on_gpu(tied).target(**to_gpu(batch_of(tied)))
    compared = 0
    for name, value in cpu.items():
        if isinstance(value, torch.Tensor):
            assert gpu[name].is_cuda, name
            assert_close(value, gpu[name])
            compared += 1
    assert compared


@pytest.mark.parametrize("verify", [False, True])
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", [*SETTINGS, "attention"])
def test_interpreters(name, task, verify, tasks) -> None:
    if (name == "attention") != (task == "graphs, attention"):
        pytest.skip("attention explains encoders with attention only, here one of them")
    tied = tasks[task]
    interpreters = [
        build(name, verify=verify) if name in SETTINGS else Interpreter.by_name(name)(verify=verify) for _ in range(2)
    ]
    assert_same(
        interpreters[0].interpret(tied.masked_model, batch_of(tied)),
        interpreters[1].interpret(on_gpu(tied), to_gpu(batch_of(tied))),
    )


@pytest.mark.parametrize("verify", [False, True])
@pytest.mark.parametrize("masker", MASKERS)
@pytest.mark.parametrize("task", TASKS)
def test_maskers(task, masker, verify, tasks) -> None:
    assert {settings["type"] for settings in MASKERS.values()} == set(Masker.list_available())
    tied = tasks[task]
    models = [graphmask(tied, masker=MASKERS[masker]) for _ in range(2)]
    models[1].cuda()
    first, second = (AmortisedGraphMask(graphmask=model, verify=verify) for model in models)
    assert_same(
        first.interpret(models[0].masked_model, batch_of(tied)),
        second.interpret(models[1].masked_model, to_gpu(batch_of(tied))),
    )


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("task", TASKS)
def test_training(task, objective, tasks) -> None:
    """Gates are drawn on the device, so that a step is not the same; that it trains, and what follows from it, is."""
    tied = tasks[task]
    model = graphmask(tied, masker=MASKERS["edgewise, all features"], **OBJECTIVES[objective]).cuda().train()
    model.in_training_run = True
    batch = to_gpu(batch_of(tied))
    optimizer = torch.optim.Adam([one for one in model.parameters() if one.requires_grad], lr=1e-2)
    before = [one.detach().clone() for one in model.masker.parameters()]
    for _ in range(3):
        optimizer.zero_grad()
        loss = model(**batch)["loss"]
        assert loss.is_cuda and loss.isfinite()
        loss.backward()
        optimizer.step()
    assert any(not torch.equal(*pair) for pair in zip(before, model.masker.parameters()))
    model.eval()
    # See `copy_target`.
    for counted in (model, model.target):
        counted.get_metrics(reset=True)
    twin = copy.deepcopy(model).cpu()
    expected, found = choose_threshold(twin, [batch_of(tied)], 0.1)[0], choose_threshold(model, [batch], 0.1)[0]
    assert found.kept == pytest.approx(expected.kept, abs=TOLERANCE)
    assert found.changed == expected.changed


def explain(archive: str, data: Path, output: Path) -> str:
    command = [sys.executable, "-m", "allennlp", "explain", archive, str(data), "-o", str(output), "--cuda-device", "0"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    finished = subprocess.run(command, cwd=output.parent, env=environment, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    return hashlib.sha256(output.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    "archive,data",
    [("pretrained:multihop-qa", "multihop_qa/questions.json"), ("pretrained:propbank-srl", "propbank/dev.conll09")],
)
def test_bytes_of_explain(archive, data, tmp_path) -> None:
    if archive.endswith("srl"):
        pytest.importorskip("thinc", reason="spaCy is not installed")
    assert len({explain(archive, ROOT / "fixtures" / data, tmp_path / f"{run}.jsonl") for run in range(2)}) == 1
