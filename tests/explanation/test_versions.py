import dataclasses

import pytest

from allennlp_graphmask.explanation.explanation import Explanation
from tests.explanation.explanations import entity_explanation, question_explanation, role_explanation, version_3


class TestEarlierVersions:
    """Version 1 had no `kind`: the views looked at the metadata. Version 2 had neither focus, verification nor input. Version 3
    stored each edge as an object, and all of them."""

    @pytest.mark.parametrize(
        "explanation",
        [role_explanation(), entity_explanation(), question_explanation(["In Mumbai."], [(0, 3, 9)])],
    )
    def test_are_read(self, explanation):
        data = version_3(explanation)
        assert Explanation.from_dict(data) == explanation
        for field in ("focus", "verification", "input"):
            del data[field]
        expected = dataclasses.replace(explanation, focus=None, verification=None)
        assert Explanation.from_dict({**data, "schema_version": 2}) == expected
        del data["kind"]
        assert Explanation.from_dict({**data, "schema_version": 1}) == expected
