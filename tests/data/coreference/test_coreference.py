import pytest
from allennlp.common import Params

from allennlp_graphmask.data.coreference import AnnotatedCoreference, CoreferenceResolver, NoCoreference
from tests.data.malformed import refused

TEXTS = ["Ada is a smith. She sings.", ""]
ANNOTATION = [[[[0, 3], [16, 19]]], []]


def test_annotated():
    resolver = CoreferenceResolver.from_params(Params({"type": "annotated"}))
    assert resolver.clusters(TEXTS, ANNOTATION) == [[[(0, 3), (16, 19)]], []]
    assert resolver.clusters(TEXTS) == [[], []]


def test_none_is_the_default_and_looks_at_nothing():
    resolver = CoreferenceResolver.from_params(Params({}))
    assert isinstance(resolver, NoCoreference)
    assert resolver.clusters(TEXTS, "not looked at") == [[], []]


@pytest.mark.parametrize(
    "annotation, expected",
    [
        ("[]", "coreference is '[]'"),
        ([[]], "1 lists of clusters for 2 supports"),
        ([{}, []], "coreference[0] is {}"),
        ([[], [3]], "coreference[1][0] is 3"),
        ([[[[0, 3, 4]]], []], "coreference[0][0][0] is [0, 3, 4]"),
        ([[[[0, True]]], []], "coreference[0][0][0][1] is True"),
        ([[[["0", 3]]], []], "coreference[0][0][0][0] is '0'"),
        ([[[[3, 3]]], []], "coreference[0][0] has the span [3, 3)"),
        ([[[[-1, 3]]], []], "[-1, 3)"),
        ([[[[0, 27]]], []], "<= 26"),
        ([[], [[[0, 1]]]], "coreference[1][0] has the span [0, 1)"),
    ],
)
def test_wrong_annotations_are_refused(annotation, expected):
    with refused(expected):
        AnnotatedCoreference().clusters(TEXTS, annotation)
