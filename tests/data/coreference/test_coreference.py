import pytest
from allennlp.common import Params
from allennlp.common.checks import ConfigurationError

from allennlp_graphmask.data.coreference import AnnotatedCoreference, CoreferenceResolver, NoCoreference

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
    "annotation, message",
    [
        ("[]", r"coreference is '\[\]', expected a list of one list of clusters for each support"),
        ([[]], "coreference has 1 lists of clusters for 2 supports"),
        ([{}, []], r"coreference\[0\] is {}, expected a list of clusters"),
        ([[], [3]], r"coreference\[1\]\[0\] is 3, expected a list of spans"),
        ([[[[0, 3, 4]]], []], r"coreference\[0\]\[0\] has the span \[0, 3, 4\], expected two integers"),
        ([[[[0, True]]], []], "expected two integers"),
        ([[[["0", 3]]], []], "expected two integers"),
        ([[[[3, 3]]], []], r"\[3, 3\), which is no part of the support: its characters are 0 to 26"),
        ([[[[-1, 3]]], []], r"\[-1, 3\)"),
        ([[[[0, 27]]], []], r"\[0, 27\)"),
        ([[], [[[0, 1]]]], r"coreference\[1\]\[0\] has the span \[0, 1\).*0 to 0"),
    ],
)
def test_wrong_annotations_are_refused(annotation, message):
    with pytest.raises(ConfigurationError, match=message):
        AnnotatedCoreference().clusters(TEXTS, annotation)
