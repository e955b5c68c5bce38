import pytest
from allennlp.data import Vocabulary

from tests.interpret.toy import toy_vocabulary


@pytest.fixture(scope="module")
def vocab() -> Vocabulary:
    return toy_vocabulary()
