import pytest

from allennlp_graphmask.evaluation.metrics import AttributionEvaluation
from allennlp_graphmask.interpret.interpreters import AmortisedGraphMask
from tests.interpret.toy import TOYS, toy_batch, toy_graphmask, toy_vocabulary


@pytest.fixture(scope="module")
def vocab():
    return toy_vocabulary()


@pytest.fixture(scope="module", params=sorted(TOYS))
def explained(request, vocab):
    """The result of a masker with learned replacements for a batch."""
    batch = toy_batch(vocab)
    model = toy_graphmask(request.param, vocab, batch)
    return explain(model.masked_model, batch, AmortisedGraphMask(graphmask=model))


def explain(masked_model, batch, interpreter):
    attribution = interpreter.interpret(masked_model, batch)
    return AttributionEvaluation(masked_model, batch, attribution, interpreter=interpreter)
