"""Trainings that are killed and continued end as those that were not."""

import copy
import json
import random
import signal
from pathlib import Path
from typing import Any, Dict, List, NamedTuple

import pytest
from allennlp.common import Params

from tests.training.killing import ROOT, train, train_to_the_end, without_training_metrics

RANDOM_MOMENTS = 20
KILLS_IN_ONE_TRAINING = 8

TASK = {"trainer.num_epochs": 3, "trainer.moving_average": {"type": "exponential", "decay": 0.9}}
GRAPHMASK = {
    "trainer.num_epochs": 3,
    "model.epochs_per_layer": 1,
    "trainer.callbacks": [{"type": "graphmask", "max_changed": 0.3}],
}
EPOCHS_ONLY = {"type": "crash_safe"}
BATCHES_TOO = {"type": "crash_safe", "save_every_num_batches": 3}


class Training(NamedTuple):
    config: Dict[str, Any]
    #: What the training that was not interrupted left.
    whole: Dict[str, Any]
    moments: List[str]

    def check(self, found: Dict[str, Any]) -> None:
        whole = self.whole
        if "save_every_num_batches" in self.config["trainer"]["checkpointer"]:
            whole, found = without_training_metrics(whole), without_training_metrics(found)
        assert whole.keys() == found.keys()
        for name in whole:
            assert whole[name] == found[name], name

    def find(self, name: str, occurrence: int) -> int:
        return [number for number, moment in enumerate(self.moments) if moment == name][occurrence]


@pytest.fixture(scope="module")
def trainings(tmp_path_factory) -> Dict[str, Training]:
    folder = tmp_path_factory.mktemp("whole")

    def whole(name: str, config: str, overrides: Dict[str, Any]) -> Training:
        read = Params.from_file(str(ROOT / config), json.dumps(overrides)).as_dict(quiet=True)
        noted = folder / f"{name}.json"
        results = train_to_the_end(copy.deepcopy(read), folder / name, noted=noted)
        return Training(read, results, json.loads(noted.read_text()))

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRAPHMASK_TARGET", str(folder / "task" / "model.tar.gz"))
        return {
            name: whole(
                name, f"training_config/propbank/{config}.jsonnet", {**overrides, "trainer.checkpointer": saving}
            )
            for name, config, overrides, saving in [
                ("task", "demo", TASK, EPOCHS_ONLY),
                ("graphmask", "demo_graphmask", GRAPHMASK, EPOCHS_ONLY),
                ("task, batches", "demo", TASK, BATCHES_TOO),
                ("graphmask, batches", "demo_graphmask", GRAPHMASK, BATCHES_TOO),
            ]
        }


def kill_and_continue(training: Training, folder: Path, **killed: Any) -> None:
    if train(copy.deepcopy(training.config), folder, **killed) != -signal.SIGKILL:
        assert "killed_after" in killed  # It had ended.
    training.check(train_to_the_end(copy.deepcopy(training.config), folder))


@pytest.mark.parametrize(
    "name, moment, occurrence",
    [
        ("task", "empty config.json", 0),
        ("task", "half of save", 4),  # the trainer's own, of best.th with averages
        ("task", "empty metrics.json", 0),  # all epochs are completed
        ("graphmask", "before link", 1),  # best.th was removed, and no later epoch is better
        ("graphmask", "before _train_epoch", 1),  # between layers of the schedule
        ("graphmask", "empty model.tar.gz", 0),  # the threshold of best.th was moved
        ("task, batches", "after step", 20),  # in the middle of an epoch
        ("graphmask, batches", "empty training_state_e1_b3.th", 0),  # half a pair
    ],
)
def test_a_training_killed_at_one_moment(trainings, tmp_path, name: str, moment: str, occurrence: int) -> None:
    training = trainings[name]
    kill_and_continue(training, tmp_path / "run", killed_at=training.find(moment, occurrence))


@pytest.mark.reliability
@pytest.mark.parametrize("name", ["task", "graphmask", "task, batches", "graphmask, batches"])
def test_trainings_killed_at_random_moments(trainings, tmp_path, name: str) -> None:
    training, generator = trainings[name], random.Random(7)
    # Most moments are steps: the others, in which files are half-written, are as many here.
    others = [number for number, moment in enumerate(training.moments) if not moment.endswith(("step", "gradients"))]
    moments = generator.sample(range(len(training.moments)), RANDOM_MOMENTS // 2) + generator.sample(
        others, RANDOM_MOMENTS // 2
    )
    for moment in moments:
        kill_and_continue(training, tmp_path / f"at_{moment}", killed_at=moment)


@pytest.mark.reliability
@pytest.mark.parametrize("name", ["task", "graphmask, batches"])
def test_trainings_killed_at_random_times(trainings, tmp_path, name: str) -> None:
    generator = random.Random(8)
    for number in range(RANDOM_MOMENTS):
        kill_and_continue(trainings[name], tmp_path / str(number), killed_after=generator.uniform(0, 3))


@pytest.mark.reliability
@pytest.mark.parametrize("name", ["task, batches", "graphmask"])
def test_one_training_killed_again_and_again(trainings, tmp_path, name: str) -> None:
    training, generator = trainings[name], random.Random(9)
    folder = tmp_path / "run"
    for _ in range(KILLS_IN_ONE_TRAINING):
        recover = (folder / "config.json").exists()
        moment = generator.randrange(20, len(training.moments) // 3)
        train(copy.deepcopy(training.config), folder, recover=recover, killed_at=moment)
    training.check(train_to_the_end(copy.deepcopy(training.config), folder))
