"""Every test file can be run by itself: what `allennlp` commands register is registered."""

import pytest
from allennlp.common.plugins import import_plugins


@pytest.fixture(scope="session", autouse=True)
def plugins() -> None:
    import_plugins()
