"""Figures in words: text and pages give numbers of messages, shares, divergences and constraints in the same form."""

import math
from typing import Any, Dict, Mapping

from allennlp_graphmask.explanation.schema import TASK_METRICS, Constraint, InterpreterDescription, MeasuredDivergence


def format_kept(kept: int, total: int) -> str:
    """Return how many messages are kept: `9 of 30 messages, 30 %`."""
    return f"{kept:,} of {total:,} messages" + (f", {format_share(kept / total)}" if total else "")


def format_share(share: float) -> str:
    """Return a share as a percentage, below ten per cent with two digits: `0.055` is `5.5 %`."""
    percentage = 100 * share
    return f"{percentage:.0f} %" if percentage >= 10 else f"{percentage:.2g} %"


def format_divergence(value: float) -> str:
    """Return a divergence with three digits."""
    return f"{value:.3g}"


def describe_divergence(divergence: MeasuredDivergence) -> str:
    """Return a measured divergence with the name of its measure."""
    return f"{format_divergence(divergence['value'])} ({divergence['name']})"


def describe_constraint(constraint: Constraint) -> str:
    """Return the constraint, whether it holds here, and whether it was met in training."""
    here = {True: "yes", False: "no", None: "not known"}
    training = {True: "met", False: "not met", None: "not known"}[constraint["met_in_training"]]
    if constraint["kind"] == "changed":
        allowance, share = constraint["allowance"], constraint["bound"]
        if allowance is not None and math.isclose(share, 1.1 * allowance):
            # The default bound: what was asked for, and a tenth for the noise of training.
            share = allowance
        rule = f"at most {format_share(share)} of the predictions may change"
        changed = None if constraint["met"] is None else not constraint["met"]
        return f"{rule}; this one changes: {here[changed]}; in training: {training}"
    rule = f"{constraint['kind']} at most {format_divergence(constraint['bound'])}"
    return f"{rule}; met here: {here[constraint['met']]}; in training: {training}"


def describe_calibration(calibration: Mapping[str, Any]) -> str:
    """Return the guarantee that `graphmask-calibrate` gave for the decisions, before they were verified."""
    bound = calibration["bound"]
    if calibration["risk"] == "changed":
        rule = f"at most {format_share(bound)} of the predictions for inputs like the calibration data change"
    else:
        rule = f"for inputs like the calibration data the mean divergence is at most {format_divergence(bound)}"
    return f"{rule} in a single pass, with {format_share(calibration['confidence'])} confidence ({calibration['num_instances']:,} instances)"


def describe_without_messages(interpreter: InterpreterDescription) -> str:
    """Return how good the model is with all messages and without any, if training has measured it, as a sentence; else nothing."""
    summary: Dict[str, Any] = interpreter.get("training_summary")  # type: ignore[assignment]
    if isinstance(summary, dict):
        for name in TASK_METRICS:
            original, dropped = summary.get(f"original_{name}"), summary.get(f"dropped_{name}")
            if isinstance(original, float) and isinstance(dropped, float):
                return f"On its validation data the model's {name} is {original:.2f}, and without any message {dropped:.2f}."
    return ""
