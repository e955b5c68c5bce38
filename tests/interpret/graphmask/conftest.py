from pathlib import Path

import pytest

from tests.interpret.graphmask.training import target_config, train


@pytest.fixture(scope="session")
def target(tmp_path_factory) -> Path:
    """The archive of a trained toy."""
    folder = tmp_path_factory.mktemp("target") / "run"
    train(target_config(), folder)
    return folder / "model.tar.gz"
