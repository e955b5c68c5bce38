"""
Real `allennlp` commands on the installed versions of everything: what the bridge is for.
"""

import json
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
import spacy
import torch

from tests.compat.conftest import (
    run_allennlp,
    run_python,
    tagger_config,
    write_config,
    write_tagging_data,
)

# A plugin of the user's own, in the folder where the command runs. It stops the training as Ctrl-C does.
INTERRUPTING_PLUGIN = """
import os
from allennlp.training import TrainerCallback

@TrainerCallback.register("interrupt_after")
class InterruptAfter(TrainerCallback):
    def __init__(self, serialization_dir, epoch: int) -> None:
        super().__init__(serialization_dir)
        self.epoch = epoch

    def on_epoch(self, trainer, metrics, epoch, is_primary=True, **kwargs) -> None:
        if "INTERRUPT" in os.environ and epoch == self.epoch:
            raise KeyboardInterrupt
"""

NUM_EPOCHS = 5
INTERRUPTED_EPOCH = 2


def prepare_interrupted_training(folder: Path, scheduler: dict[str, Any]) -> None:
    write_tagging_data(folder)
    (folder / "interrupting.py").write_text(INTERRUPTING_PLUGIN, encoding="utf-8")
    (folder / ".allennlp_plugins").write_text("interrupting\n", encoding="utf-8")
    callbacks = [{"type": "interrupt_after", "epoch": INTERRUPTED_EPOCH}]
    write_config(folder, tagger_config(NUM_EPOCHS, learning_rate_scheduler=scheduler, callbacks=callbacks))


def train_interrupt_and_recover(folder: Path) -> dict[str, Any]:
    """
    Trains until the plugin interrupts, recovers, and gives the training state that was recovered from.
    """
    interrupted = run_allennlp(
        "train", "config.json", "-s", "run", folder=folder, expected_status=-signal.SIGINT, INTERRUPT="1"
    )
    assert "KeyboardInterrupt" in interrupted
    checkpoint = max((folder / "run").glob("training_state_e*.th"), key=lambda path: path.stat().st_mtime)
    # Ours to trust: it was written a moment ago.
    state = torch.load(checkpoint, weights_only=False)
    assert not (folder / "run" / "metrics.json").exists()
    first_epochs = [folder / "run" / f"metrics_epoch_{epoch}.json" for epoch in range(INTERRUPTED_EPOCH)]
    written_at = [path.stat().st_mtime_ns for path in first_epochs]
    run_allennlp("train", "config.json", "-s", "run", "--recover", folder=folder)
    metrics = json.loads((folder / "run" / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["epoch"] == NUM_EPOCHS - 1
    # The recovered run began where the interrupted one ended.
    assert [path.stat().st_mtime_ns for path in first_epochs] == written_at
    return state


def test_train_recover_with_a_scheduler_that_computes_in_numpy(tmp_path) -> None:
    prepare_interrupted_training(tmp_path, {"type": "cosine", "t_initial": 10})
    state = train_interrupt_and_recover(tmp_path)
    [group] = state["optimizer"]["param_groups"]
    # The very thing that torch.load refuses; were it no longer there, this test would test nothing.
    assert type(group["lr"]).__module__ == "numpy"


def test_train_recover_with_reduce_on_plateau(tmp_path) -> None:
    prepare_interrupted_training(tmp_path, {"type": "reduce_on_plateau", "patience": 0, "mode": "max"})
    state = train_interrupt_and_recover(tmp_path)
    assert state["learning_rate_scheduler"]["last_epoch"] > 0


def test_train_evaluate_and_predict_in_an_empty_folder(tmp_path) -> None:
    write_tagging_data(tmp_path)
    write_config(tmp_path, tagger_config(6))
    run_allennlp("train", "config.json", "-s", "run", folder=tmp_path)
    archive = shutil.move(tmp_path / "run" / "model.tar.gz", tmp_path / "model.tar.gz")
    run_allennlp("evaluate", str(archive), "dev.txt", "--output-file", "metrics.json", folder=tmp_path)
    metrics = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["accuracy"] == 1.0

    sentences = ['{"sentence": "the dog sees a cat"}', '{"sentence": "a cat hears"}']
    (tmp_path / "input.jsonl").write_text("\n".join(sentences) + "\n", encoding="utf-8")
    # The predictor wants a spaCy model to split the sentence; one that is made here needs no download.
    spacy.blank("en").to_disk(tmp_path / "spacy_model")
    options = ["--predictor", "sentence_tagger", "--output-file", "tags.jsonl", "--silent"]
    options += ["--predictor-args", json.dumps({"language": str(tmp_path / "spacy_model")})]
    # `python -m` comes to AllenNLP by another door than the script.
    run_python("-m", "allennlp", "predict", str(archive), "input.jsonl", *options, folder=tmp_path)
    lines = (tmp_path / "tags.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["tags"] for line in lines] == [["D", "N", "V", "D", "N"], ["D", "N", "V"]]


def write_tiny_bert(folder: Path) -> None:
    """
    Saves a randomly initialised BERT with a vocabulary of word pieces, as a downloaded one would lie on disk.
    """
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder.mkdir()
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "a", "b", "c", "do", "##g", "cat", "see", "hear", "##s"]
    vocabulary = folder / "vocab.txt"
    vocabulary.write_text("\n".join(pieces) + "\n", encoding="utf-8")
    config = BertConfig(
        vocab_size=len(pieces),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=64,
    )
    torch.manual_seed(1)
    BertModel(config).save_pretrained(folder)
    BertTokenizerFast(vocab={piece: index for index, piece in enumerate(pieces)}).save_pretrained(folder)


def bert_config(folder: Path) -> dict[str, Any]:
    options = {"type": "pretrained_transformer_mismatched", "model_name": str(folder)}
    config = tagger_config(2, optimizer={"type": "huggingface_adamw", "lr": 0.01})
    config["dataset_reader"]["token_indexers"] = {"tokens": options}
    config["model"]["text_field_embedder"] = {"token_embedders": {"tokens": options}}
    config["model"]["encoder"] = {"type": "pass_through", "input_dim": 16}
    return config


def test_pretrained_transformer_mismatched(tmp_path) -> None:
    write_tagging_data(tmp_path)
    write_tiny_bert(tmp_path / "bert")
    write_config(tmp_path, bert_config(tmp_path / "bert"))
    run_allennlp("train", "config.json", "-s", "run", folder=tmp_path)
    assert (tmp_path / "run" / "model.tar.gz").exists()


def test_wordpieces_of_a_mismatched_word_are_those_of_the_vocabulary(tmp_path) -> None:
    from allennlp.data.token_indexers import PretrainedTransformerMismatchedIndexer
    from allennlp.data.tokenizers import Token
    from allennlp.data.vocabulary import Vocabulary

    write_tiny_bert(tmp_path / "bert")
    indexer = PretrainedTransformerMismatchedIndexer(str(tmp_path / "bert"))
    indexed = indexer.tokens_to_indices([Token("the"), Token("dog"), Token("sees")], Vocabulary())
    #                              [CLS] the do ##g see ##s [SEP]
    assert indexed["token_ids"] == [2, 5, 9, 10, 12, 14, 3]
    assert indexed["offsets"] == [(1, 1), (2, 3), (4, 5)]


def test_help_lists_the_command_of_the_plugin_in_an_empty_folder(tmp_path) -> None:
    output = run_allennlp("--help", folder=tmp_path)
    assert "graphmask-init" in output
    assert "could not be loaded" not in output


@pytest.mark.long
def test_distributed_training(tmp_path) -> None:
    write_tagging_data(tmp_path)
    config = tagger_config(2, learning_rate_scheduler={"type": "reduce_on_plateau"})
    config["distributed"] = {"cuda_devices": [-1, -1], "ddp_accelerator": {"type": "torch"}}
    write_config(tmp_path, config)
    run_allennlp("train", "config.json", "-s", "run", folder=tmp_path)
    assert (tmp_path / "run" / "model.tar.gz").exists()
