import dataclasses
import json

import jsonschema
import pytest
from allennlp.common.util import sanitize
from hypothesis import given, settings
from hypothesis import strategies as st

from allennlp_graphmask.explanation.explanation import ExplainedEdge, ExplainedNode, Explanation, explanation_schema
from allennlp_graphmask.explanation.schema import SCHEMA_VERSION
from allennlp_graphmask.explanation.serialization import ExplanationFormatError
from allennlp_graphmask.predictors import ExplainingPredictor
from tests.explanation.explanations import (
    PROVENANCE,
    entity_explanation,
    replaced,
    role_explanation,
)


class TestViews:
    def test_kept_edges(self):
        explanation = role_explanation()
        assert [edge.type for edge in explanation.kept_edges()] == ["nsubj", "nsubj^-1", "obj^-1", "det^-1"]
        assert [edge.type for edge in explanation.kept_edges(layer=1)] == ["nsubj^-1"]

    def test_layer(self):
        edges = role_explanation().layer(1)
        assert len(edges) == 8
        assert edges[1].score == 0.99 and edges[1].kept is True

    @pytest.mark.parametrize("number", [-1, 2])
    def test_layer_out_of_range(self, number):
        with pytest.raises(IndexError, match=f"no layer {number}: the 2 layers"):
            role_explanation().layer(number)

    def test_kept_share(self):
        explanation = role_explanation()
        assert explanation.kept_share() == 5 / 16
        assert explanation.kept_share(layer=0) == 4 / 8

    def test_threshold_is_a_copy_without_what_was_measured(self):
        explanation = role_explanation()
        before = explanation.to_json_line()
        copy = explanation.threshold(0.75)
        assert [edge.type for edge in copy.kept_edges()] == ["nsubj", "nsubj^-1"]
        assert copy.prediction["original"] == explanation.prediction["original"]
        assert copy.prediction["masked"] is None and copy.prediction["changed"] is None
        assert copy.divergence is None
        assert copy.constraint["met"] is None and copy.constraint["met_in_training"] is None
        assert copy.interpreter["score_threshold"] == 0.75
        assert explanation.to_json_line() == before

    @pytest.mark.parametrize("explanation", [role_explanation(), entity_explanation()])
    def test_kept_only_leaves_out_edges_and_still_counts_them(self, explanation):
        last = len(explanation.edges) - 1
        verification = {"changed_before": True, "max_divergence": None, "passes": 1, "added": [(last, 0)]}
        metadata = {"edge_metadata": [{"number": number} for number in range(last)]}
        whole = dataclasses.replace(explanation, verification=verification, metadata=metadata)
        kept = whole.kept_only()
        assert list(kept.edges) == whole.kept_edges() and len(kept.edges) < len(whole.edges)
        assert kept.kept_share() == whole.kept_share() and kept.num_edges == len(whole.edges)
        [(position, layer)] = kept.verification["added"]
        assert kept.edges[position] == whole.edges[last] and layer == 0
        # Entries for a part of the edges, the first ones, stay with them.
        entries = [number for number, edge in enumerate(whole.edges) if any(edge.kept) and number < last]
        assert [entry["number"] for entry in kept.metadata["edge_metadata"]] == entries
        assert Explanation.from_json_line(kept.to_json_line()) == kept
        with pytest.raises(ValueError, match=f"{len(kept.edges)} of the {len(whole.edges)} edges"):
            kept.threshold(0.1)
        assert whole.kept_only().kept_only() == kept

    def test_what_is_handed_out_is_not_shared(self):
        metadata = {"note": ["a"]}
        explanation = role_explanation(**metadata)
        before = explanation.to_json_line()
        metadata["note"].append("b")
        data = explanation.to_dict()
        data["prediction"]["original"]["arguments"].clear()
        data["tokens"].append("more")
        assert explanation.to_json_line() == before

    def test_cannot_be_changed(self):
        with pytest.raises(dataclasses.FrozenInstanceError):
            role_explanation().tokens = ()

    def test_sanitize_gives_the_json_form(self):
        explanation = role_explanation()
        assert sanitize(explanation) == explanation.to_dict()


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=8,
)


@st.composite
def explanations(draw) -> Explanation:
    tokens = draw(st.lists(st.text(), max_size=5))
    num_nodes = draw(st.integers(0, 5))
    num_layers = draw(st.integers(1, 3))
    nodes = []
    for number in range(num_nodes):
        span = (None, None)
        if tokens and draw(st.booleans()):
            start = draw(st.integers(0, len(tokens) - 1))
            span = (start, draw(st.integers(start + 1, len(tokens))))
        nodes.append(ExplainedNode(number, draw(st.text()), *span))
    edges = []
    if num_nodes:
        node = st.integers(0, num_nodes - 1)
        score = st.floats(allow_nan=False, allow_infinity=False) | st.integers()
        for _ in range(draw(st.integers(0, 4))):
            scores = draw(st.lists(score, min_size=num_layers, max_size=num_layers))
            kept = draw(st.lists(st.booleans(), min_size=num_layers, max_size=num_layers))
            edges.append(ExplainedEdge(draw(node), draw(node), draw(st.text()), tuple(scores), tuple(kept)))
    kept_messages = [
        (place, layer) for place, edge in enumerate(edges) for layer in range(num_layers) if edge.kept[layer]
    ]
    added = [message for message in kept_messages if draw(st.booleans())]
    focus_nodes = tuple(number for number in range(num_nodes) if draw(st.booleans()))
    return Explanation(
        kind=draw(st.text()),
        tokens=tuple(tokens),
        nodes=tuple(nodes),
        num_layers=num_layers,
        num_edges=len(edges) + draw(st.integers(0, 2)),
        edges=tuple(edges),
        focus=draw(
            st.none()
            | st.fixed_dictionaries(
                {
                    "name": st.text(),
                    "kind": st.text(),
                    "description": st.none() | st.text(),
                    "nodes": st.just(focus_nodes),
                    "trained": st.none() | st.booleans(),
                }
            )
        ),
        verification=draw(
            st.none()
            | st.fixed_dictionaries(
                {
                    "changed_before": st.booleans(),
                    "max_divergence": st.none() | st.floats(0, 1),
                    "passes": st.integers(0, 9),
                    "added": st.just(tuple(added)),
                }
            )
        ),
        prediction={
            "original": draw(JSON_VALUES),
            "masked": draw(JSON_VALUES),
            "changed": draw(st.none() | st.booleans()),
        },
        divergence=draw(st.none() | st.just({"name": "kl", "value": 0.1})),
        constraint=None,
        interpreter={"name": draw(st.text()), "more": draw(JSON_VALUES)},
        provenance={**PROVENANCE, "more": draw(JSON_VALUES)},
        input=draw(st.none() | st.just({"file": None, "number": 3, "place": "line 4"})),
        metadata={"any": draw(JSON_VALUES)},
    )


class TestReferences:
    @pytest.mark.parametrize(
        "field, value, named",
        [
            (
                "focus",
                {"name": "A0", "kind": "role", "description": "A0", "nodes": [7], "trained": None},
                r"focus.nodes has 7",
            ),
            ("verification", {"added": [[99, 0]]}, "verification.added has edge 99 in layer 0"),
            ("verification", {"added": [[0, 5]]}, "verification.added has edge 0 in layer 5"),
            ("verification", {"added": [[0, 1]]}, "verification.added has edge 0 in layer 1"),
        ],
    )
    def test_of_focus_and_verification_are_checked(self, field, value, named):
        data = role_explanation().to_dict()
        if field == "verification":
            value = {"changed_before": True, "max_divergence": None, "passes": 1, **value}
        assert 0 not in data["edges"]["kept"][1]
        with pytest.raises(ExplanationFormatError, match=named):
            Explanation.from_dict({**data, field: value})


class TestJson:
    @given(explanations())
    @settings(deadline=None, max_examples=60)
    def test_round_trip_is_byte_identical(self, explanation):
        line = explanation.to_json_line()
        assert Explanation.from_json_line(line).to_json_line() == line
        assert Explanation.from_dict(explanation.to_dict()).to_json_line() == line
        assert len(line.splitlines()) == 1
        jsonschema.validate(json.loads(line), explanation_schema(), cls=jsonschema.Draft202012Validator)

    def test_keys_in_another_order_give_the_same_line(self):
        explanation = role_explanation()
        turned = json.dumps(dict(reversed(explanation.to_dict().items())))
        assert Explanation.from_json_line(turned).to_json_line() == explanation.to_json_line()

    def test_is_what_allennlp_predict_writes(self):
        explanation = role_explanation()
        predictor = ExplainingPredictor.__new__(ExplainingPredictor)
        assert predictor.dump_line(explanation.to_dict()) == explanation.to_json_line() + "\n"


class TestValidation:
    @staticmethod
    def refusal(path, value):
        with pytest.raises(ExplanationFormatError) as error:
            Explanation.from_dict(replaced(path, value))
        return str(error.value)

    @pytest.mark.parametrize(
        "path, value, place",
        [
            ("schema", "other", "schema"),
            ("schema_version", SCHEMA_VERSION + 1, "schema_version"),
            ("schema_version", 0, "schema_version"),
            ("schema_version", "1", "schema_version"),
            ("schema_version", True, "schema_version"),
            ("kind", None, "kind"),
            ("tokens", "the cat", "tokens"),
            ("tokens.2", 3, "tokens[2]"),
            ("nodes.1.id", 2, "nodes[1].id"),
            ("nodes.1.text", None, "nodes[1].text"),
            ("nodes.1.start", None, "nodes[1]"),
            ("nodes.1.end", 8, "nodes[1]"),
            ("nodes.1.end", 1, "nodes[1]"),
            ("nodes.1", [], "nodes[1]"),
            ("num_layers", 0, "num_layers"),
            ("num_layers", 3, "num_layers"),
            ("num_edges", 7, "num_edges"),
            ("edges.3.source", 7, "edges[3]"),
            ("edges.3.target", -1, "edges[3]"),
            ("edges.3.target", True, "edges[3].target"),
            ("edges.3.type", 5, "edges[3].type"),
            ("edges.3.kept.1", 1, "edges[3].kept[1]"),
            ("edges.3.score.0", float("inf"), "edges[3].score[0]"),
            ("edges.3.score.0", "x", "edges[3].score[0]"),
            ("prediction.changed", "no", "prediction.changed"),
            ("divergence.value", None, "divergence.value"),
            ("divergence", 0.5, "divergence"),
            ("constraint.bound", -1, "constraint.bound"),
            ("constraint.met", 1.0, "constraint.met"),
            ("provenance.weights_sha256", "F" * 64, "provenance.weights_sha256"),
            ("provenance.seeds.numpy_seed", 0.5, "provenance.seeds.numpy_seed"),
            ("provenance.versions.torch", 2, "provenance.versions.torch"),
            ("input", "line 3", "input"),
            ("metadata.x", float("nan"), "metadata.x"),
        ],
    )
    def test_names_the_place_and_the_value(self, path, value, place):
        message = self.refusal(path, value)
        assert message.startswith(f"{place} ")
        assert place == "nodes[1]" or repr(value)[:50] in message

    @pytest.mark.parametrize(
        "path, value, place",
        [
            ("edges.3.weight", 1, "edges[3].weight"),
            ("edges.3.kept", [True], "edges[3]"),
            ("prediction.original", {1: 2}, "prediction.original[1]"),
            ("prediction.masked", {"a": [object]}, "prediction.masked.a[0]"),
            ("interpreter", {}, "interpreter.name"),
            ("provenance", {}, "provenance.versions"),
            ("extra", 1, "extra"),
        ],
    )
    def test_names_the_place(self, path, value, place):
        assert self.refusal(path, value).startswith(f"{place} ")

    @pytest.mark.parametrize("key", list(role_explanation().to_dict())[2:])
    def test_names_a_missing_field(self, key):
        data = role_explanation().to_dict()
        del data[key]
        with pytest.raises(ExplanationFormatError, match=f"^{key} is missing"):
            Explanation.from_dict(data)

    @pytest.mark.parametrize(
        "line, named",
        [("{", "column 2"), ("[]", r"\[\]"), ('{"schema": 1, "schema": 2}', "'schema'"), ("NaN", "nan")],
    )
    def test_names_what_is_wrong_with_a_line(self, line, named):
        with pytest.raises(ExplanationFormatError, match=named):
            Explanation.from_json_line(line)
