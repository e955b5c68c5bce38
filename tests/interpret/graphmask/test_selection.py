import math

import pytest
from allennlp.common.checks import ConfigurationError
from hypothesis import example, given
from hypothesis import strategies as st

from allennlp_graphmask.interpret.graphmask.selection import SelectionCriterion

SHARES = st.floats(0, 1)
BOUND = 0.05


def evaluation(kept: float, changed: float, comparable: bool = True) -> dict:
    return SelectionCriterion("changed", BOUND).evaluate({"kept": kept, "changed": changed}, comparable=comparable)


class TestTheOrderOfEpochs:
    @given(SHARES, st.floats(0, BOUND), SHARES, st.floats(BOUND, 1, exclude_min=True))
    @example(1.0, BOUND, 0.0, math.nextafter(BOUND, 1))
    def test_every_feasible_epoch_beats_every_other(self, kept, changed, other_kept, other_changed) -> None:
        feasible, infeasible = evaluation(kept, changed), evaluation(other_kept, other_changed)
        assert (feasible["constraint_met"], infeasible["constraint_met"]) == (1, 0)
        assert feasible["selection"] < infeasible["selection"]

    @given(SHARES, st.floats(0, BOUND), SHARES, st.floats(0, BOUND))
    def test_among_feasible_epochs_fewer_kept_messages_win(self, kept, changed, other_kept, other_changed) -> None:
        first, second = evaluation(kept, changed), evaluation(other_kept, other_changed)
        assert (first["selection"] < second["selection"]) == (kept < other_kept)

    @given(SHARES, st.floats(BOUND, 1, exclude_min=True), SHARES, st.floats(BOUND, 1, exclude_min=True))
    def test_among_infeasible_epochs_the_smaller_violation_wins(self, kept, changed, other_kept, other_changed) -> None:
        first, second = evaluation(kept, changed), evaluation(other_kept, other_changed)
        if changed < other_changed:
            assert first["selection"] <= second["selection"]
        if changed < other_changed - 1e-9:
            assert first["selection"] < second["selection"]

    @given(SHARES, SHARES, SHARES, st.floats(0, 1e6))
    def test_an_epoch_with_layers_not_enabled_always_loses(
        self, kept, divergence, other_kept, other_divergence
    ) -> None:
        criterion = SelectionCriterion("divergence", BOUND)
        early = criterion.evaluate({"kept": kept, "divergence": divergence}, comparable=False)
        late = criterion.evaluate({"kept": other_kept, "divergence": other_divergence}, comparable=True)
        assert late["selection"] < early["selection"]

    def test_whether_the_constraint_is_met_does_not_depend_on_the_schedule(self) -> None:
        for comparable in (True, False):
            assert evaluation(0.5, 0.01, comparable)["constraint_met"] == 1
            assert evaluation(0.5, 0.10, comparable)["constraint_met"] == 0


class TestKinds:
    METRICS = {"kept": 0.3, "changed": 0.04, "divergence": 0.2, "original_f1": 0.8, "masked_f1": 0.76}

    @pytest.mark.parametrize("kind, value", [("changed", 0.04), ("divergence", 0.2), ("score", 0.05)])
    def test_what_is_bounded(self, kind, value) -> None:
        criterion = SelectionCriterion(kind, 0.1, "f1" if kind == "score" else None)
        assert criterion.constrained_value(self.METRICS) == pytest.approx(value)
        assert criterion.evaluate(self.METRICS, comparable=True)["constraint_met"] == float(value <= 0.1)

    def test_a_better_score_is_no_loss(self) -> None:
        criterion = SelectionCriterion("score", 0.0, "f1")
        metrics = {"kept": 0.3, "original_f1": 0.5, "masked_f1": 0.6}
        assert criterion.evaluate(metrics, comparable=True) == {"constraint_met": 1.0, "selection": 0.3}

    def test_a_score_of_zero_cannot_be_lost(self) -> None:
        metrics = {"kept": 0.3, "original_f1": 0.0, "masked_f1": 0.0}
        assert SelectionCriterion("score", 0.0, "f1").constrained_value(metrics) == 0


class TestErrors:
    def test_an_unknown_score_metric_names_the_known_ones(self) -> None:
        with pytest.raises(ConfigurationError, match=r"no metric 'accuracy'; it has \['f1'\]"):
            SelectionCriterion("score", 0.1, "accuracy").evaluate(TestKinds.METRICS, comparable=True)
