"""Explanations that are hard to show, made without any model."""

import itertools
import random
from typing import Any, Dict, List, Sequence, Tuple

from allennlp.data import Instance
from allennlp.data.fields import MetadataField

from allennlp_graphmask.explanation.explanation import Explanation
from allennlp_graphmask.interpret.build_explanation import build_explanation
from tests.explanation.explanations import (
    INTERPRETER,
    PROVENANCE,
    attribution,
    entity_explanation,
    question_explanation,
    ranking,
    role_explanation,
    role_prediction,
)

#: What must be shown as text: markup, quotes, an emoji of several code points, control and bidirectional characters.
HOSTILE = "<script>alert(1)</script> \" onload='x' 👩‍🔬 שלום مرحبا \x00\x1b\u202eabc &amp; {{ 7 * 7 }} </style> ]]>"
#: As a page shows it.
HOSTILE_SHOWN = HOSTILE.replace("\x00", "\ufffd").replace("\x1b", "\ufffd").replace("\u202e", "\ufffd")

HEBREW = "החתול הקטן שישן ראה את הכלב הגדול בגן".split()


def explain(
    num_nodes: int,
    edges: Sequence[Tuple[int, int, str]],
    scores: Sequence[Sequence[float]],
    interpreter: Dict[str, Any] = INTERPRETER,
    prediction: Any = None,
    masked: Any = None,
    **metadata: Any,
) -> Explanation:
    output = {
        "attribution": attribution(num_nodes, edges, scores),
        "original_prediction": prediction,
        "masked_prediction": masked,
        "changed": None if masked is None else masked != prediction,
    }
    instance = Instance({"metadata": MetadataField(metadata)})
    return build_explanation(instance, output, interpreter=interpreter, provenance=PROVENANCE)


def sentence(
    words: Sequence[str],
    predicate: int = 0,
    arguments: Sequence[Tuple[str, int, int, int]] = (),
    labels: Sequence[str] = ("nsubj", "obj", "det", "advmod", "nmod:of"),
    **metadata: Any,
) -> Explanation:
    """A sentence with a random tree, each arc in both directions, in two layers."""
    edges: List[Tuple[int, int, str]] = []
    generator = random.Random(0)
    for word in range(len(words)):
        if word != predicate:
            head = generator.randrange(max(0, word - 6), word) if word > predicate else word + 1
            label = generator.choice(labels)
            edges += [(head, word, label), (word, head, label + "^-1")]
    scores = [[generator.random() for _ in edges] for _ in range(2)]
    prediction = {
        "predicate": {"text": words[predicate], "lemma": words[predicate]},
        "arguments": [
            {"role": role, "head": head, "start": start, "end": end, "phrase": " ".join(words[start:end])}
            for role, head, start, end in arguments
        ],
    }
    metadata.update(tokens=list(words), predicate_index=predicate)
    return explain(len(words), edges, scores, prediction=prediction, masked=prediction, **metadata)


def question(num_supports: int, mentions_per_support: int, name: str = "Place") -> Explanation:
    """A question over supports whose mentions are joined all to all, as WikiHop's are, random links of them kept."""
    supports, places = [], []
    for support in range(num_supports):
        text = ""
        for mention in range(mentions_per_support):
            start = len(text) + len("Some words before it and ")
            text += f"Some words before it and {name} {mention}, then more of them."
            places.append((support, start, start + len(f"{name} {mention}")))
        supports.append(text)

    def join(source: int, target: int) -> str:
        if places[source][0] == places[target][0]:
            return "DOC-BASED"
        return "MATCH" if (source - target) % mentions_per_support == 0 else "COMPLEMENT"

    edges = [(*pair, join(*pair)) for pair in itertools.permutations(range(len(places)), 2)]
    generator = random.Random(0)
    scores = [[generator.random() ** 2 for _ in edges] for _ in range(3)]
    prediction = ranking((f"{name} 1", 0.8), (f"{name} 2", 0.2), ("nowhere", None))
    prediction["ranking"][0]["mentions"] = list(range(1, len(places), mentions_per_support))
    data = question_explanation(supports, places, edges, scores, original=prediction, answer=f"{name} 1").to_dict()
    for node, detail in enumerate(data["metadata"]["nodes"]):
        candidate = node % mentions_per_support - 1
        detail.update(is_subject=candidate < 0, candidate=candidate, kind="subject" if candidate < 0 else "candidate")
    return Explanation.from_dict(data)


def graph(num_nodes: int, num_edges: int, name: str = "node") -> Explanation:
    """A random graph without text, with loops and with several edges between the same nodes."""
    generator = random.Random(0)
    nodes = [{"text": f"{name} {number}", "start": None, "end": None} for number in range(num_nodes)]
    edges = [
        (*generator.choices(range(num_nodes), k=2), generator.choice(["red", "green", name])) for _ in range(num_edges)
    ]
    scores = [[generator.random() for _ in edges] for _ in range(2)]
    prediction = {"label": name, "probability": 0.75}
    return explain(num_nodes, edges, scores, {"name": "attention"}, prediction, nodes=nodes)


ALL: Dict[str, Explanation] = {
    "roles": role_explanation(),
    "changed roles": role_explanation(changed=True, masked=role_prediction([("A1", 1, 0, 4)])),
    "right to left": sentence(HEBREW, 3, [("A0", 0, 0, 3), ("A1", 5, 4, 8)]),
    "long sentence": sentence([f"word{number}" for number in range(400)], 7, [("A0", 3, 2, 6), ("A1", 9, 8, 30)]),
    "long right to left": sentence(HEBREW * 8, 3, [("A0", 0, 0, 3)]),
    "hostile sentence": sentence([HOSTILE, "says", HOSTILE], 1, [(HOSTILE, 0, 0, 1)], [HOSTILE], sentence_id=HOSTILE),
    "one word": sentence(["Go"]),
    "question": question(3, 3),
    "large question": question(50, 10),
    "hostile question": question(2, 3, HOSTILE),
    "question without mentions": question_explanation(["Nothing.", ""], [], original=ranking(("India", None))),
    "question without supports": question_explanation([], []),
    "entities": entity_explanation(),
    "graph": graph(8, 20),
    "large graph": graph(500, 4000),
    "hostile graph": graph(4, 8, HOSTILE),
}
