import pytest
import torch
from allennlp.common.checks import ConfigurationError
from allennlp.data import Vocabulary

from allennlp_graphmask.modules.word_dropout import WordDropout

COUNTS = {"the": 100, "cat": 3, "sat": 1}


@pytest.fixture
def vocabulary() -> Vocabulary:
    return Vocabulary(counter={"tokens": dict(COUNTS)})


def text(indices: torch.Tensor):
    return {"tokens": {"tokens": indices}, "part_of_speech": {"tokens": indices + 100}}


def test_counts_are_those_of_the_training_data(vocabulary: Vocabulary) -> None:
    dropout = WordDropout(vocabulary)
    for word, count in COUNTS.items():
        assert dropout.counts[vocabulary.get_token_index(word)] == count
    assert dropout.counts[vocabulary.get_token_index("@@UNKNOWN@@")] == 0
    assert list(dropout.state_dict()) == ["counts"]


def test_words_are_dropped_as_often_as_the_formula_says(vocabulary: Vocabulary) -> None:
    torch.manual_seed(0)
    dropout = WordDropout(vocabulary, alpha=0.25).train()
    unknown = vocabulary.get_token_index("@@UNKNOWN@@")
    for word, count in COUNTS.items():
        indices = torch.full((200, 500), vocabulary.get_token_index(word))
        dropped = dropout(text(indices))["tokens"]["tokens"]
        assert set(dropped.unique().tolist()) <= {unknown, vocabulary.get_token_index(word)}
        assert float((dropped == unknown).float().mean()) == pytest.approx(0.25 / (count + 0.25), abs=0.005)


def test_padding_other_indexers_and_the_input_stay_as_they_are(vocabulary: Vocabulary) -> None:
    dropout = WordDropout(vocabulary, alpha=1e6).train()
    indices = torch.tensor([[2, 3, 4, 0, 0]])
    given = text(indices.clone())
    result = dropout(given)
    assert result["tokens"]["tokens"].tolist() == [[1, 1, 1, 0, 0]]
    assert result["part_of_speech"]["tokens"] is given["part_of_speech"]["tokens"]
    assert torch.equal(given["tokens"]["tokens"], indices)


@pytest.mark.parametrize("alpha, training", [(0.25, False), (0.0, True)])
def test_nothing_is_dropped_in_evaluation_or_without_alpha(vocabulary, alpha: float, training: bool) -> None:
    dropout = WordDropout(vocabulary, alpha=alpha).train(training)
    given = text(torch.full((50, 50), 3))
    state = torch.get_rng_state()
    assert dropout(given) is given
    assert torch.equal(torch.get_rng_state(), state)


def test_counts_survive_a_vocabulary_read_from_files(vocabulary: Vocabulary, tmp_path) -> None:
    """What an archive does."""
    dropout = WordDropout(vocabulary)
    vocabulary.save_to_files(str(tmp_path / "vocabulary"))
    loaded = WordDropout(Vocabulary.from_files(str(tmp_path / "vocabulary")))
    assert not loaded.counts.any()
    loaded.train()
    with pytest.raises(ConfigurationError, match="namespace 'tokens'"):
        loaded(text(torch.tensor([[2]])))
    loaded.load_state_dict(dropout.state_dict())
    assert torch.equal(loaded.counts, dropout.counts)


def test_words_added_to_the_vocabulary_later_are_left_alone(vocabulary: Vocabulary) -> None:
    dropout = WordDropout(vocabulary, alpha=1e6).train()
    new_word = vocabulary.add_token_to_namespace("dog")
    assert dropout(text(torch.tensor([[new_word, 2]])))["tokens"]["tokens"].tolist() == [[new_word, 1]]


def test_wrong_configurations_are_named(vocabulary: Vocabulary) -> None:
    with pytest.raises(ConfigurationError, match="alpha .* -1"):
        WordDropout(vocabulary, alpha=-1)
    dropout = WordDropout(vocabulary, indexer="words").train()
    with pytest.raises(ConfigurationError, match=r"'words', but .* \['part_of_speech', 'tokens'\]"):
        dropout(text(torch.tensor([[2]])))
