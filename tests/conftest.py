"""Every test file can be run by itself: what `allennlp` commands register is registered."""

import pytest
from allennlp.common.plugins import import_plugins
from hypothesis import settings

# How long an example takes depends on the machine and on what else it does.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


@pytest.fixture(scope="session", autouse=True)
def plugins() -> None:
    import_plugins()
