import pytest
import torch
from allennlp.data import Vocabulary
from allennlp.modules import FeedForward
from allennlp.modules.seq2vec_encoders import BagOfEmbeddingsEncoder
from allennlp.modules.text_field_embedders import BasicTextFieldEmbedder
from allennlp.modules.token_embedders import Embedding
from allennlp.nn import Activation

from allennlp_graphmask.graph import Graph
from allennlp_graphmask.models.graph_qa import GraphQuestionAnswering, average_spans
from allennlp_graphmask.modules.graph_encoders.syntactic_gcn import SyntacticGcn

DIM = 5


def _vocab() -> Vocabulary:
    vocab = Vocabulary()
    vocab.add_token_to_namespace("MATCH", "edge_labels")
    return vocab


def _model(**changes) -> GraphQuestionAnswering:
    torch.manual_seed(3)
    vocab = _vocab()
    settings = {
        "text_field_embedder": BasicTextFieldEmbedder({"tokens": Embedding(DIM, num_embeddings=20)}),
        "query_encoder": BagOfEmbeddingsEncoder(DIM, averaged=True),
        "graph_encoder": SyntacticGcn(vocab, 2 * DIM + 1, 4),
        "scorer": FeedForward(4 + DIM, 1, 1, Activation.by_name("linear")()),
        **changes,
    }
    return GraphQuestionAnswering(vocab, **settings).eval()


def _text(rows) -> dict:
    return {"tokens": {"tokens": torch.tensor(rows)}}


#: Three questions: four mentions, none, and one. Node by node (support, first, last), candidate, whether it is the subject.
QUESTIONS = [
    {
        "mentions": [((0, 0, 1), 1, 0), ((0, 3, 3), -1, 1), ((1, 0, 2), 0, 0), ((1, 2, 3), 1, 1)],
        "edges": [(0, 3), (3, 0), (1, 2)],
        "num_candidates": 3,
        "answer": 1,
    },
    {"mentions": [], "edges": [], "num_candidates": 1, "answer": 0},
    {"mentions": [((1, 1, 1), 0, 0)], "edges": [], "num_candidates": 2, "answer": 1},
]
SUPPORTS = [[[1, 2, 3, 4], [5, 6, 7, 8]], [[0, 0, 0, 0], [0, 0, 0, 0]], [[9, 9, 0, 0], [10, 11, 12, 0]]]
QUERIES = [[1, 13, 0], [14, 0, 0], [15, 16, 17]]


def _batch(indices) -> dict:
    questions = [QUESTIONS[index] for index in indices]
    most = max(len(question["mentions"]) for question in questions)
    spans = torch.full((len(questions), most, 3), -1)
    candidates = torch.full((len(questions), most), -1)
    subject = torch.zeros(len(questions), most, dtype=torch.bool)
    mask = torch.zeros(len(questions), max(q["num_candidates"] for q in questions), dtype=torch.bool)
    for row, question in enumerate(questions):
        mask[row, : question["num_candidates"]] = True
        for column, (span, candidate, is_subject) in enumerate(question["mentions"]):
            spans[row, column] = torch.tensor(span)
            candidates[row, column] = candidate
            subject[row, column] = bool(is_subject)
    graph = Graph.disjoint_union(
        [Graph.from_edges(len(q["mentions"]), q["edges"], [2] * len(q["edges"])) for q in questions]
    )
    return {
        "query": _text([QUERIES[index] for index in indices]),
        "supports": _text([SUPPORTS[index] for index in indices]),
        "mention_spans": spans,
        "mention_candidates": candidates,
        "mention_is_subject": subject,
        "candidate_mask": mask,
        "graph": graph,
        "answer": torch.tensor([question["answer"] for question in questions]),
    }


def _model_with_context(context_size: int) -> GraphQuestionAnswering:
    width = DIM * (3 if context_size else 1) + 1 + DIM
    return _model(graph_encoder=SyntacticGcn(_vocab(), width, 4), context_size=context_size)


def _scores_by_hand(model: GraphQuestionAnswering, index: int, context_size: int = 0) -> list:
    """The score of each mention of a question, mention by mention."""
    question = QUESTIONS[index]
    words = model.text_field_embedder._token_embedders["tokens"].weight
    query = words[[token for token in QUERIES[index] if token]].mean(0)
    nodes = []
    for (support, first, last), _, is_subject in question["mentions"]:
        text = [token for token in SUPPORTS[index][support] if token]
        parts = [text[first : last + 1]]
        if context_size:
            parts += [text[:first][-context_size:], text[last + 1 :][:context_size]]
        means = [words[part].mean(0) if part else torch.zeros(DIM) for part in parts]
        nodes.append(torch.cat([*means, torch.tensor([float(is_subject)]), query]))
    graph = Graph.from_edges(len(nodes), question["edges"], [2] * len(question["edges"]))
    states = model.graph_encoder(torch.stack(nodes), graph)
    return [model.scorer(torch.cat([state, query])).item() for state in states]


@pytest.mark.parametrize("context_size", [0, 1, 2, 9])
def test_scores_are_those_computed_by_hand(context_size):
    model = _model_with_context(context_size)
    output = model(**_batch([0, 1, 2]))
    for row in (0, 2):
        expected = _scores_by_hand(model, row, context_size)
        actual = output["mention_scores"][row, : len(expected)].tolist()
        assert actual == pytest.approx(expected, abs=1e-5)
    first = _scores_by_hand(model, 0, context_size)
    # Candidate 0 is mention 2, candidate 1 mentions 0 and 3, candidate 2 is mentioned nowhere.
    assert output["mask"].tolist() == [[True, True, False], [False] * 3, [True, False, False]]
    assert output["logits"][0, :2].tolist() == pytest.approx([first[2], max(first[0], first[3])], abs=1e-5)


def test_only_mentioned_answers_are_learnt_from():
    model = _model()
    output = model(**_batch([0, 1, 2]))
    expected = -output["logits"][0, :2].log_softmax(-1)[1]
    assert output["loss"].item() == pytest.approx(expected.item(), abs=1e-6)
    metrics = model.get_metrics(reset=True)
    right = float(output["logits"][0].argmax() == 1)
    # The second and third question's answers are mentioned nowhere: they are wrong, and not in the second figure.
    assert metrics == {
        "accuracy": pytest.approx(right / 3),
        "mentioned_accuracy": right,
        "answer_probability": pytest.approx((-expected).exp().item() / 3, abs=1e-6),
    }


def test_a_batch_without_a_mentioned_answer_has_a_loss_of_zero():
    model = _model()
    loss = model(**_batch([1, 2]))["loss"]
    loss.backward()
    assert float(loss) == 0
    assert all(torch.equal(p.grad, torch.zeros_like(p)) for p in model.scorer.parameters())


def test_an_unknown_answer_is_not_counted():
    model = _model()
    batch = _batch([0, 2])
    batch["answer"] = torch.tensor([-1, -1])
    model(**batch)
    assert not any(model.get_metrics(reset=True).values())


def test_mention_dropout_leaves_the_context():
    model = _model_with_context(2).train()
    model.mention_dropout.p = 1.0
    batch = _batch([0])
    embedded = model._embed_mentions(batch["supports"], batch["mention_spans"], batch["graph"])
    assert not embedded[:, :DIM].any() and embedded[:, DIM:].any()


def test_node_states_may_be_given():
    model = _model()
    batch = _batch([0, 1, 2])
    assert torch.equal(model(**batch)["logits"], model(**batch, node_states=model.encode_nodes(**batch))["logits"])


def test_without_a_graph_encoder_no_mention_knows_of_another():
    scorer = FeedForward(3 * DIM + 1, 1, 1, Activation.by_name("linear")())
    model = _model(graph_encoder=None, scorer=scorer)
    batch = _batch([0, 1, 2])
    before = model(**batch)["mention_scores"]
    batch["mention_spans"][0, 0] = torch.tensor([1, 0, 0])
    after = model(**batch)["mention_scores"]
    assert before[0, 0] != after[0, 0]
    assert torch.equal(before.flatten()[1:], after.flatten()[1:])


def test_the_ranking():
    model = _model()
    output = model(**_batch([0, 1]))
    metadata = [
        {
            "candidates": [f"candidate {number}" for number in range(question["num_candidates"])],
            "nodes": [{"candidate": candidate} for _, candidate, _ in question["mentions"]],
        }
        for question in QUESTIONS[:2]
    ]
    first, second = model.make_output_human_readable({**output, "metadata": metadata})["prediction"]
    best = int(output["logits"][0].argmax())
    assert first["answer"] == f"candidate {best}" == first["ranking"][0]["text"]
    assert sum(entry["probability"] for entry in first["ranking"]) == pytest.approx(1)
    never = {"probability": 0.0, "score": None, "mentions": []}
    assert first["ranking"][-1] == {"candidate": 2, "text": "candidate 2", **never}
    mentions = next(entry for entry in first["ranking"] if entry["candidate"] == 1)["mentions"]
    scores = output["mention_scores"][0].tolist()
    assert mentions == sorted([0, 3], key=lambda node: -scores[node])
    assert second == {"answer": None, "ranking": [{"candidate": 0, "text": "candidate 0", **never}]}


def test_average_spans_gives_gradients_to_the_spans_only():
    embedded = torch.randn(3, 2, 4, DIM, dtype=torch.double, requires_grad=True)
    batch = _batch([0, 1, 2])
    means = average_spans(embedded, batch["mention_spans"], batch["graph"])
    torch.testing.assert_close(means[2], embedded[0, 1, 0:3].mean(0))
    torch.testing.assert_close(means[4], embedded[2, 1, 1])
    assert torch.autograd.gradcheck(lambda e: average_spans(e, batch["mention_spans"], batch["graph"]), embedded)
