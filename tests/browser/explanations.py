"""Explanations that are hard on a page, made without any model."""

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
HOSTILE = (
    "<script>alert(1)</script> \" onload='x' 👩‍🔬 שלום مرحبا \x00\x1b\u202eabc &amp; {{ 7 * 7 }} </style> ]]>"
)

HEBREW = "החתול הקטן שישן ראה את הכלב הגדול בגן".split()


def sentence(
    words: Sequence[str],
    *,
    predicate: int = 0,
    arguments: Sequence[Tuple[str, int, int, int]] = (),
    labels: Sequence[str] = ("nsubj", "obj", "det", "advmod", "nmod:of"),
    num_layers: int = 2,
    seed: int = 0,
    **metadata: Any,
) -> Explanation:
    """A sentence with a random tree, each arc in both directions."""
    generator = random.Random(seed)
    edges: List[Tuple[int, int, str]] = []
    for word in range(len(words)):
        if word != predicate:
            near = [other for other in range(max(0, word - 6), word)] or [predicate]
            head = generator.choice(near) if word > predicate else min(word + 1, predicate)
            label = generator.choice(labels)
            edges += [(head, word, label), (word, head, label + "^-1")]
    scores = [[generator.random() for _ in edges] for _ in range(num_layers)]
    prediction: Dict[str, Any] = {
        "predicate": {"index": predicate, "text": words[predicate], "lemma": words[predicate], "sense": None},
        "arguments": [
            {
                "role": role,
                "head": head,
                "text": words[head],
                "start": start,
                "end": end,
                "phrase": " ".join(words[start:end]),
                "probability": 0.9,
            }
            for role, head, start, end in arguments
        ],
    }
    instance = Instance(
        {"metadata": MetadataField({"tokens": list(words), "predicate_index": predicate, **metadata})}
    )
    output = {
        "attribution": attribution(len(words), edges, scores),
        "original_prediction": prediction,
        "masked_prediction": prediction,
        "changed": False,
        "divergence": 0.01,
    }
    return build_explanation(instance, output, interpreter=INTERPRETER, provenance=PROVENANCE)


def question(
    num_supports: int, mentions_per_support: int, *, seed: int = 0, name: str = "Place", num_layers: int = 3
) -> Explanation:
    """A question over supports whose mentions are joined all to all, as WikiHop's are, random links of them kept."""
    generator = random.Random(seed)
    supports, places = [], []
    for support in range(num_supports):
        text = ""
        for mention in range(mentions_per_support):
            text += "Some words before it and "
            start = len(text)
            text += f"{name} {mention}"
            places.append((support, start, len(text)))
            text += ", then more of them."
        supports.append(text)
    nodes = range(len(places))
    edges = []
    for source in nodes:
        for target in nodes:
            if source != target:
                same = places[source][0] == places[target][0]
                alike = source % mentions_per_support == target % mentions_per_support
                edges.append((source, target, "DOC-BASED" if same else "MATCH" if alike else "COMPLEMENT"))
    scores = [[generator.random() ** 2 for _ in edges] for _ in range(num_layers)]
    prediction = ranking((f"{name} 1", 0.8), (f"{name} 2", 0.2), ("nowhere", None))
    prediction["ranking"][0]["mentions"] = [node for node in nodes if node % mentions_per_support == 1]
    explanation = question_explanation(
        supports, places, edges, scores, original=prediction, answer=f"{name} 1"
    )
    data = explanation.to_dict()
    for node, detail in enumerate(data["metadata"]["nodes"]):
        within = node % mentions_per_support
        detail.update(
            is_subject=within == 0, candidate=within - 1, kind="subject" if within == 0 else "candidate"
        )
    return Explanation.from_dict(data)


def graph(num_nodes: int, num_edges: int, *, name: str = "node", seed: int = 0) -> Explanation:
    """A random graph that is no text, with loops and with several edges between the same nodes."""
    generator = random.Random(seed)
    edges = [
        (
            generator.randrange(num_nodes),
            generator.randrange(num_nodes),
            generator.choice(["red", "green", name]),
        )
        for _ in range(num_edges)
    ]
    scores = [[generator.random() for _ in edges] for _ in range(2)]
    nodes = [{"text": f"{name} {number}", "start": None, "end": None} for number in range(num_nodes)]
    instance = Instance({"metadata": MetadataField({"nodes": nodes})})
    output = {
        "attribution": attribution(num_nodes, edges, scores),
        "original_prediction": {"label": name, "probability": 0.75},
    }
    return build_explanation(instance, output, interpreter={"name": "attention"}, provenance=PROVENANCE)


ALL: Dict[str, Explanation] = {
    "roles": role_explanation(),
    "changed roles": role_explanation(changed=True, masked=role_prediction([("A1", 1, 0, 4)])),
    "right to left": sentence(HEBREW, predicate=3, arguments=[("A0", 0, 0, 3), ("A1", 5, 4, 8)]),
    "long sentence": sentence(
        [f"word{number}" for number in range(400)], predicate=7, arguments=[("A0", 3, 2, 6), ("A1", 9, 8, 30)]
    ),
    "long right to left": sentence(HEBREW * 8, predicate=3, arguments=[("A0", 0, 0, 3)]),
    "hostile sentence": sentence(
        [HOSTILE, "says", HOSTILE],
        predicate=1,
        arguments=[(HOSTILE, 0, 0, 1)],
        labels=[HOSTILE],
        sentence_id=HOSTILE,
    ),
    "one word": sentence(["Go"]),
    "question": question(3, 3),
    "large question": question(50, 10),
    "hostile question": question(2, 3, name=HOSTILE),
    "question without mentions": question_explanation(
        ["Nothing.", ""], [], original=ranking(("India", None))
    ),
    "question without supports": question_explanation([], []),
    "entities": entity_explanation(),
    "graph": graph(8, 20),
    "large graph": graph(500, 4000),
    "hostile graph": graph(4, 8, name=HOSTILE),
}
