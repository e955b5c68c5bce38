"""Scores of semantic dependencies by the rules of the CoNLL-2009 shared task (Hajič et al., 2009), as its `eval09.pl`."""

import re
from collections import Counter
from itertools import zip_longest
from typing import Dict, Iterable, List, Tuple

from allennlp.common.checks import ConfigurationError

from allennlp_graphmask.data.dataset_readers.propbank_srl.sentence import DependencySentence, Predicate


def score_conll2009(
    gold: Iterable[DependencySentence], predicted: Iterable[DependencySentence], senses: bool = True
) -> Dict[str, float]:
    """
    Return `precision`, `recall` and `f1` with labels, and without (`unlabeled_precision`, ...), from 0 to 1.

    A dependency joins a predicate to the head of an argument; with `senses`, the task's published scores, also the root of the
    sentence to the predicate, labelled with the number of its sense. It is right if both ends are, and with labels if its
    label is, too. A cell of several roles, `A0|AM-TMP`, is as many dependencies.

    # Raises

    `ConfigurationError` if the sentences differ in their words or their number.
    """
    counts: Counter[str] = Counter()
    for number, pair in enumerate(zip_longest(gold, predicted), start=1):
        texts = [None if sentence is None else sentence.text for sentence in pair]
        if texts[0] != texts[1]:
            raise ConfigurationError(
                f"Sentence {number} is {texts[0]!r} in the gold and {texts[1]!r} in the predicted data."
            )
        labels = [_collect_labels(sentence, senses) for sentence in pair]
        for name, found in zip(("gold", "predicted"), labels):
            counts[name] += sum(map(len, found.values()))
        for ends in labels[0].keys() & labels[1].keys():
            gold_labels, predicted_labels = labels[0][ends], labels[1][ends]
            counts["unlabeled"] += min(len(gold_labels), len(predicted_labels))
            counts[""] += len(set(gold_labels) & set(predicted_labels))
    scores: Dict[str, float] = {}
    for name, prefix in (("", ""), ("unlabeled", "unlabeled_")):
        precision = counts[name] / counts["predicted"] if counts["predicted"] else 0.0
        recall = counts[name] / counts["gold"] if counts["gold"] else 0.0
        f1 = 2 * counts[name] / (counts["predicted"] + counts["gold"]) if counts[name] else 0.0
        scores.update({f"{prefix}precision": precision, f"{prefix}recall": recall, f"{prefix}f1": f1})
    return scores


def _collect_labels(sentence: DependencySentence, senses: bool) -> Dict[Tuple[int, int], List[str]]:
    """Return the labels of each dependency, by the tokens at its ends; the root is token -1."""
    labels: Dict[Tuple[int, int], List[str]] = {}
    for predicate in sentence.predicates:
        for token, role in (predicate.roles or {}).items():
            labels[predicate.index, token] = sorted(set(role.split("|")))
        if senses:
            labels[-1, predicate.index] = [_read_sense(predicate)]
    return labels


def _read_sense(predicate: Predicate) -> str:
    """Return what follows the lemma; numbers without leading zeros. Without a sense, it is that of the first frame."""
    sense = predicate.sense or "01"
    match = re.fullmatch(r"[^.]+\.([^.]+)", sense)
    number = sense if match is None else match[1]
    return number.lstrip("0") or "0" if number.isdecimal() and number.isascii() else number
