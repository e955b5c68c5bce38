import json
from typing import Any, Dict, Optional

import torch
from allennlp.common.checks import ConfigurationError

from allennlp_graphmask.focus import WHOLE_PREDICTION, foci_by_kind
from allennlp_graphmask.interpret.graphmask.model_around_target import ModelAroundTarget


class ModelWithThresholds(ModelAroundTarget):
    """
    A model around a target with a threshold of the gates for each kind of focus. They can be moved after training, and are part of
    the archive; see `allennlp_graphmask.interpret.graphmask.threshold` and `calibration`.
    """

    threshold: torch.Tensor

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        #: The focus of decisions without another one.
        self.focus = WHOLE_PREDICTION
        # Locations above it are open.
        self.register_buffer("threshold", torch.zeros((), dtype=torch.float64))
        #: Those of other kinds of focus, chosen after training.
        self.thresholds_by_kind: Dict[str, float] = {}
        #: For kinds of focus with a calibrated threshold the fields of `Calibration`, and the fingerprint of its data.
        self.calibrations: Dict[str, Dict[str, Any]] = {}

    def get_extra_state(self) -> str:
        own = {name: getattr(self, name) for name in ("focus", "thresholds_by_kind", "calibrations")}
        return json.dumps({**json.loads(super().get_extra_state()), **own})

    def set_extra_state(self, state: str) -> None:
        super().set_extra_state(state)
        own = json.loads(state)
        # Earlier versions had no other focus.
        self.focus = own.get("focus", WHOLE_PREDICTION)
        self.thresholds_by_kind = own.get("thresholds_by_kind", {})
        self.calibrations = own.get("calibrations", {})

    def threshold_for(self, kind: str) -> torch.Tensor:
        """Return the threshold of the gates for a kind of focus: its own, if one was chosen, or that of training."""
        chosen = self.thresholds_by_kind.get(kind)
        return self.threshold if chosen is None else torch.as_tensor(chosen).to(self.threshold)

    def set_threshold(self, focus: str, threshold: float, calibration: Optional[Dict[str, Any]] = None) -> None:
        """
        Set the threshold for a focus, by the name that covers its kind; without a calibration the kind has none. The focus of training
        may be another one (`"A1"`), but not with a calibration, which would be that of its whole kind. Raise a `ConfigurationError` for
        any other name.
        """
        is_own = focus == self.focus
        if is_own and calibration is None and focus not in foci_by_kind(self.target).values():
            self.threshold.fill_(threshold)
            return
        kind = self.kind_covered_by(focus)
        if is_own:
            self.threshold.fill_(threshold)
        else:
            self.thresholds_by_kind[kind] = threshold
        self.calibrations.pop(kind, None)
        if calibration is not None:
            self.calibrations[kind] = calibration

    def kind_covered_by(self, focus: str) -> str:
        """Return the kind of focus that the name covers, all of which share a threshold. Raise a `ConfigurationError` if there is none."""
        foci = foci_by_kind(self.target)
        for kind, name in foci.items():
            if name == focus:
                return kind
        raise ConfigurationError(
            f"The focus {focus!r} is a part of its kind, and all foci of a kind share a threshold: expected one of {list(foci.values())}."
        )
