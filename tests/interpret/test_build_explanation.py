"""From an attribution to an explanation."""

import json
import logging

import jsonschema
import pytest
import torch
from allennlp.common.checks import ConfigurationError

from allennlp_graphmask.explanation.explanation import ExplainedEdge, ExplainedNode, Explanation, explanation_schema
from allennlp_graphmask.explanation.serialization import ExplanationFormatError
from tests.explanation.explanations import (
    INTERPRETER,
    TOKENS,
    attribution,
    build,
    entity_explanation,
    question_explanation,
    role_explanation,
)

ONE_EDGE = attribution(2, [(0, 1, "red")], [[1.0]])


class TestBuildExplanation:
    def test_holds_what_the_interpreter_said(self):
        explanation = role_explanation()
        assert explanation.tokens == tuple(TOKENS)
        assert explanation.nodes[1] == ExplainedNode(1, "cat", 1, 2)
        assert explanation.num_layers == 2
        assert explanation.edges[1] == ExplainedEdge(1, 4, "nsubj^-1", (0.8, 0.99), (True, True))
        assert explanation.prediction["changed"] is False
        assert explanation.divergence == {"name": "saturating_kl", "value": 0.0123457}
        assert explanation.metadata == {"predicate_index": 4, "predicate_sense": None, "sentence_id": "s-1"}

    def test_none_stays_none(self):
        # AllenNLP's `sanitize` writes None as the string "None".
        data = json.loads(role_explanation().to_json_line())
        assert data["prediction"]["original"]["predicate"]["sense"] is None
        assert data["metadata"]["predicate_sense"] is None

    @pytest.mark.parametrize(
        "explanation", [role_explanation(), entity_explanation(), role_explanation().threshold(0.5)]
    )
    def test_fits_the_json_schema(self, explanation):
        jsonschema.Draft202012Validator.check_schema(explanation_schema())
        jsonschema.validate(explanation.to_dict(), explanation_schema(), cls=jsonschema.Draft202012Validator)

    def test_nodes_can_be_described(self):
        assert entity_explanation().nodes == (
            ExplainedNode(0, "New York", 0, 2),
            ExplainedNode(1, "York", 4, 5),
            ExplainedNode(2, "query", None, None),
        )
        assert "nodes" not in entity_explanation().metadata

    def test_what_else_is_told_of_nodes_is_kept_in_the_metadata(self):
        explanation = question_explanation(["In Mumbai."], [(0, 3, 9)])
        assert explanation.nodes == (ExplainedNode(0, "Mumbai", 0, 1),)
        assert explanation.metadata["nodes"] == [{"support": 0, "start_char": 3, "end_char": 9}]

    def test_a_graph_alone(self):
        """It has numbered nodes; an interpreter that masks nothing leaves the fields empty."""
        explanation = build({"attribution": ONE_EDGE})
        assert [node.text for node in explanation.nodes] == ["0", "1"]
        assert explanation.tokens == ()
        assert explanation.prediction == {"original": None, "masked": None, "changed": None}
        assert explanation.divergence is None and explanation.constraint is None

    def test_a_graph_without_edges(self):
        explanation = build({"attribution": attribution(1, [], [[], []])})
        assert explanation.num_layers == 2
        assert explanation.kept_share() == 1.0
        assert Explanation.from_json_line(explanation.to_json_line()) == explanation

    @pytest.mark.parametrize(
        "constraint, output, met",
        [
            ({"kind": "changed", "bound": 0.05}, {"changed": torch.tensor(False)}, True),
            ({"kind": "changed", "bound": 0.05}, {"changed": torch.tensor(True)}, False),
            ({"kind": "divergence", "bound": 0.05}, {"divergence": torch.tensor(0.04)}, True),
            ({"kind": "divergence", "bound": 0.05}, {"divergence": torch.tensor(0.06)}, False),
            ({"kind": "score", "bound": 0.05}, {"changed": torch.tensor(True)}, None),
        ],
    )
    def test_constraint_of_one_instance(self, constraint, output, met):
        interpreter = {**INTERPRETER, "constraint": constraint, "training_summary": {}}
        explanation = build({"attribution": ONE_EDGE, **output}, interpreter=interpreter)
        assert explanation.constraint == {**constraint, "allowance": 0.05, "met": met, "met_in_training": None}

    def test_metadata_without_a_json_form_are_left_out_with_one_warning(self, caplog):
        with caplog.at_level(logging.WARNING):
            first = role_explanation(strange=object())
            role_explanation(strange=object())
        assert "strange" not in first.metadata
        messages = [record.getMessage() for record in caplog.records if "strange" in record.getMessage()]
        expected = "Explanations leave out the metadata 'strange': A value of type object has no JSON form: "
        assert messages == [expected + "give it a `to_json` method."]

    @pytest.mark.parametrize(
        "metadata, message",
        [
            ({"tokens": ["a", "b", "c"]}, "The graph has 2 nodes for 3 tokens.*'nodes', a list of"),
            ({"nodes": [{"text": "a"}]}, r"describe 1 nodes \('nodes'\), but the graph has 2"),
        ],
    )
    def test_refuses_another_number_of_nodes(self, metadata, message):
        with pytest.raises(ConfigurationError, match=message):
            build({"attribution": ONE_EDGE}, metadata)

    def test_refuses_an_output_without_attribution(self):
        with pytest.raises(ConfigurationError, match="'x' gave NoneType"):
            build({})

    def test_refuses_a_score_that_is_no_number(self):
        with pytest.raises(ExplanationFormatError, match=r"edges\[0\]\.score\[0\] is nan"):
            build({"attribution": attribution(2, [(0, 1, "red")], [[float("nan")]])})
