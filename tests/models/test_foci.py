"""Which messages can have an effect on the parts of a prediction that a model offers as foci: every model against perturbation."""

import copy
from typing import List

import pytest
import torch
from allennlp.common.checks import ConfigurationError

from allennlp_graphmask.focus import default_focus, foci_by_kind, page_focus
from allennlp_graphmask.interpret.divergences import broadcast_mask
from allennlp_graphmask.interpret.masked_model import MaskedModel, UnmaskedPass
from allennlp_graphmask.modules.intervention import Gate
from tests.interpret.interpreters.tied import TASKS, Tied, tied_task
from tests.models.building import make_batch


@pytest.fixture(scope="module", params=TASKS)
def task(request, tmp_path_factory) -> Tied:
    return tied_task(request.param, tmp_path_factory.mktemp("task"))


def focused_passes(task: Tied) -> List[UnmaskedPass]:
    """One for each part of the predictions, all kinds of focus."""
    model = task.masked_model
    unmasked = model.unmasked(make_batch(task.instances, task.vocabulary))
    return [part for name in foci_by_kind(model.target).values() for part in model.focused(unmasked, name)]


def focused_logits(model: MaskedModel, unmasked: UnmaskedPass, gates: List[Gate]) -> torch.Tensor:
    with torch.no_grad():
        logits = model.logits(model.masked(unmasked, gates))
    return logits.masked_fill(~broadcast_mask(logits, unmasked.focus.mask), 0)


def test_other_messages_have_no_effect(task) -> None:
    model = task.masked_model
    generator = torch.Generator().manual_seed(0)
    num_unreachable = num_effects = 0
    for unmasked in focused_passes(task):
        reachable = unmasked.reachable()
        num_unreachable += sum(int((~layer).sum()) for layer in reachable)
        ones = [torch.ones_like(layer, dtype=torch.float) for layer in reachable]
        expected = focused_logits(model, unmasked, [Gate(layer) for layer in ones])
        for _ in range(3):
            scales = [torch.rand(layer.shape, generator=generator) for layer in reachable]
            outside, inside = (
                [Gate(torch.where(layer == chosen, scale, one)) for layer, scale, one in zip(reachable, scales, ones)]
                for chosen in (False, True)
            )
            torch.testing.assert_close(focused_logits(model, unmasked, outside), expected, rtol=0, atol=0)
            num_effects += int((focused_logits(model, unmasked, inside) != expected).any())
    assert num_effects
    assert num_unreachable or task.masked_model.target.__class__.__name__ in ("GraphClassifier", "StarGraphClassifier")


def test_the_whole_is_what_its_parts_are_of(task) -> None:
    model = task.masked_model
    unmasked = model.unmasked(make_batch(task.instances, task.vocabulary))
    (whole,) = model.focused(unmasked, "all")
    logits = model.logits(unmasked.output)
    mask = broadcast_mask(logits, whole.focus.mask)
    for part in focused_passes(task):
        assert not (broadcast_mask(logits, part.focus.mask) & ~mask).any()
        assert not (part.focus.nodes & ~whole.focus.nodes).any()
        # Where there is nothing to explain nothing can change, and no message can have an effect.
        empty = (~part.focus.is_explained).nonzero().squeeze(-1)
        assert not part.focus.nodes[unmasked.graph.nodes_of(empty)].any()
    assert model.focus == default_focus(model.target)


def test_an_unknown_name_is_an_error(task) -> None:
    with pytest.raises(ConfigurationError, match="'nonsense'.*'all'"):
        MaskedModel(task.masked_model.target, focus="nonsense").unmasked(make_batch(task.instances, task.vocabulary))


@pytest.fixture(scope="module")
def roles(tmp_path_factory) -> Tied:
    return tied_task("roles", tmp_path_factory.mktemp("roles"))


@pytest.fixture(scope="module")
def questions(tmp_path_factory) -> Tied:
    return tied_task("questions", tmp_path_factory.mktemp("questions"))


class TestRoles:
    def test_each_role_in_turn_makes_up_those_assigned(self, roles) -> None:
        model = roles.masked_model
        unmasked = model.unmasked(make_batch(roles.instances, roles.vocabulary))
        (assigned,) = model.focused(unmasked, "assigned")
        parts = [part.focus for part in model.focused(unmasked, "each")]
        masks = torch.stack([part.mask for part in parts])
        assert torch.equal(masks.any(0), assigned.focus.mask) and (masks.sum(0) <= 1).all()
        predicted = model.target.make_output_human_readable(dict(unmasked.output))["role_tags"]
        for row, tags in enumerate(predicted):
            found = list(dict.fromkeys(tag for tag in tags if tag != "_"))
            assert assigned.focus.mask[row].tolist()[: len(tags)] == [tag != "_" for tag in tags]
            assert [part.descriptions[row] for part in parts] == [
                f"the role {found[number]} that the model assigns" if number < len(found) else None
                for number in range(len(parts))
            ]
            for role in found:
                (named,) = model.focused(unmasked, role)
                assert named.focus.mask[row].tolist()[: len(tags)] == [tag == role for tag in tags]

    def test_pages_have_the_roles_together_and_each(self, roles, monkeypatch) -> None:
        model = roles.masked_model
        vocabulary = copy.deepcopy(roles.vocabulary)
        vocabulary.add_tokens_to_namespace(["A0", "A1"], "role_labels")
        monkeypatch.setattr(model.target, "vocab", vocabulary)
        unmasked = model.unmasked(make_batch(roles.instances, roles.vocabulary))
        shape = (*unmasked.output["logits"].shape[:-1], vocabulary.get_vocab_size("role_labels"))
        logits = torch.randn(shape, generator=torch.Generator().manual_seed(0))
        output = {**unmasked.output, "logits": logits}

        def get_foci(name):
            return model.target.get_foci(name, unmasked.batch, output, unmasked.graph)

        (assigned,), each = get_foci("assigned"), get_foci("each")
        first, *others = get_foci(page_focus(model.target))
        assert first.kind == "assigned" and torch.equal(first.mask, assigned.mask)
        assert len(others) == len(each) > 1 and {part.kind for part in others} == {"role"}
        for row in range(len(roles.instances)):
            descriptions = [part.descriptions[row] for part in each]
            # A single role is not explained twice.
            is_shown = sum(description is not None for description in descriptions) > 1
            assert [part.descriptions[row] for part in others] == (descriptions if is_shown else [None] * len(each))

    def test_several_parts_are_not_one_focus(self, roles, monkeypatch) -> None:
        target = roles.masked_model.target
        get_foci = target.get_foci
        monkeypatch.setattr(target, "get_foci", lambda *arguments: get_foci(*arguments) * 2)
        with pytest.raises(ConfigurationError, match="'each'"):
            MaskedModel(target, focus="each").unmasked(make_batch(roles.instances, roles.vocabulary))


class TestQuestions:
    def test_the_rival_is_the_second_most_probable_candidate(self, questions) -> None:
        model = questions.masked_model
        unmasked = model.unmasked(make_batch(questions.instances, questions.vocabulary))
        (rival,) = model.focused(unmasked, "rival")
        for row, pair in enumerate(rival.focus.mask):
            scores = unmasked.output["logits"][row].masked_fill(~unmasked.output["mask"][row], float("-inf"))
            assert pair.sum() == 2 and set(scores.topk(2).indices.tolist()) == set(pair.nonzero().squeeze(-1).tolist())

    def test_a_named_candidate(self, questions) -> None:
        model = questions.masked_model
        unmasked = model.unmasked(make_batch(questions.instances, questions.vocabulary))
        answers = [
            one["answer"] for one in model.target.make_output_human_readable(dict(unmasked.output))["prediction"]
        ]
        for name in ("Peru", "Chile", "Atlantis"):
            (named,) = model.focused(unmasked, f"against:{name}")
            for row, answer in enumerate(answers):
                metadata = questions.instances[row].fields["metadata"].metadata
                mentioned = [
                    metadata["candidates"][n] for n in unmasked.output["mask"][row].nonzero().squeeze(-1).tolist()
                ]
                is_rival = name in mentioned and name != answer
                assert named.focus.descriptions[row] == (
                    f"the answer {answer} rather than {name}" if is_rival else None
                )
