"""Real `allennlp` commands on the installed versions of everything."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import spacy
import torch

from tests.compat.conftest import run_allennlp, run_python, tagger_config, write_config, write_tagging_data


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
    # `python -m` starts AllenNLP in another way than the script.
    run_python("-m", "allennlp", "predict", str(archive), "input.jsonl", *options, folder=tmp_path)
    lines = (tmp_path / "tags.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["tags"] for line in lines] == [["D", "N", "V", "D", "N"], ["D", "N", "V"]]


def write_tiny_bert(folder: Path) -> None:
    """Save a randomly initialised BERT with a vocabulary of word pieces, in the files of a downloaded one."""
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder.mkdir()
    pieces = "[PAD] [UNK] [CLS] [SEP] [MASK] the a b c do ##g cat see hear ##s".split()
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
