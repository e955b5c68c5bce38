"""What is a user's mistake and what a bug, and what a message about a mistake names."""

import argparse
import json
import logging
from typing import Any, Dict, List, Union

import allennlp.commands
import pytest
import torch
from allennlp.common import FromParams, Params, Registrable
from allennlp.common.checks import ConfigurationError
from allennlp.common.util import int_to_device
from allennlp.data import DatasetReader
from allennlp.models import Model
from allennlp.predictors import Predictor

from allennlp_graphmask.interpret.interpreters import Interpreter
from allennlp_graphmask_compat.config_variables import DESCRIPTIONS
from allennlp_graphmask_compat.doctor import find_variables
from allennlp_graphmask_compat.mistakes import STATUS, did_you_mean


def run_main(monkeypatch: Any, error: BaseException) -> None:
    """As if a command raised the error."""

    def fail(args: argparse.Namespace) -> None:
        raise error

    monkeypatch.setattr("sys.argv", ["allennlp", "fail"])
    monkeypatch.setattr(allennlp.commands, "parse_args", lambda prog: (None, argparse.Namespace(func=fail)))
    allennlp.commands.main()


@pytest.mark.parametrize(
    "error, named",
    [
        (ConfigurationError("dim is 3, expected 4."), ["dim is 3, expected 4."]),
        (FileNotFoundError(2, "No such file or directory", "nix.json"), ["nix.json", "No such file"]),
        (PermissionError(13, "Permission denied", "/protected/out"), ["/protected/out", "Permission denied"]),
        (OSError("Can't find model 'en_nix'"), ["en_nix"]),
        (json.JSONDecodeError("Expecting value", "hello", 0), ["hello", "Expecting value"]),
        (UnicodeDecodeError("utf-8", b"caf\xe9", 3, 4, "invalid"), ["0xe9", "caf"]),
    ],
)
def test_mistakes(error, named, monkeypatch, capsys) -> None:
    level = logging.getLogger().level
    with pytest.raises(SystemExit) as ended:
        run_main(monkeypatch, error)
    message = capsys.readouterr().err
    assert ended.value.code == STATUS and message.startswith("error: ") and message.count("\n") == 1
    assert all(text in message for text in named)
    assert logging.getLogger().level == level


@pytest.mark.parametrize(
    "error",
    [
        KeyError("x"),
        TypeError("x"),
        ValueError("x"),
        RuntimeError("shapes"),
        AssertionError(),
        BrokenPipeError(),
        KeyboardInterrupt(),
    ],
)
def test_bugs_and_signals_stay_what_they_are(error, monkeypatch) -> None:
    with pytest.raises(type(error)) as raised:
        run_main(monkeypatch, error)
    assert raised.value is error


@pytest.mark.parametrize("registry", [Model, DatasetReader, Predictor, Interpreter])
def test_a_registered_name_that_is_misspelt(registry: Any) -> None:
    available = registry.list_available()
    assert len(available) > 3
    for name in available:
        for misspelt in (name + "x", name[1:], name[:2] + name[3:] + "_"):
            if misspelt in available:
                continue
            suggested = did_you_mean(misspelt, available).removeprefix(" Did you mean '").removesuffix("'?")
            assert suggested in available
            with pytest.raises(ConfigurationError, match=f"did you mean '{suggested}'"):
                registry.by_name(misspelt)
            with pytest.raises(ConfigurationError, match=f"'type' is '{misspelt}'.* Did you mean '{suggested}'"):
                registry.from_params(Params({"type": misspelt}))
    assert did_you_mean("qqq", available) == ""


class Part(FromParams):
    def __init__(self, size: int = 1, choice: Union[int, List[int]] = 1, broken: bool = False) -> None:
        if broken:
            raise TypeError("a bug")


@pytest.mark.parametrize(
    "config, named", [({"size": "big"}, ["size", "big", "int"]), ({"choice": "big"}, ["choice", "big"])]
)
def test_a_value_of_a_wrong_type(config: Dict[str, Any], named: List[str]) -> None:
    with pytest.raises(ConfigurationError) as raised:
        Part.from_params(Params(config))
    assert all(text in str(raised.value) for text in [*named, "Part"])


def test_a_constructor_that_fails_is_not_a_mistake() -> None:
    with pytest.raises(TypeError, match="^a bug$"):
        Part.from_params(Params({"broken": True}))


class Choosing(Registrable):
    pass


def test_a_choice_without_a_value_is_reported_as_before() -> None:
    Choosing.register("one")(type("One", (Choosing,), {}))
    with pytest.raises(ConfigurationError, match='key "type" is required'):
        Choosing.from_params(Params({}))


@pytest.mark.parametrize("text", ["{a: std.extVar('MY_FILE')}", "{a: error 'too short'}", "{a: ", "[1]"])
def test_configs(text, tmp_path, monkeypatch) -> None:
    monkeypatch.delenv("MY_FILE", raising=False)
    path = tmp_path / "config.jsonnet"
    path.write_text("\n" + text)
    with pytest.raises(ConfigurationError) as raised:
        Params.from_file(path)
    message = str(raised.value)
    assert str(path) in message and "\n" not in message and "Traceback" not in message
    if "MY_FILE" in text:
        assert "MY_FILE" in message and text in message and "line 2" in message
    monkeypatch.setenv("MY_FILE", "somewhere")
    if "MY_FILE" in text:
        assert Params.from_file(path).as_dict() == {"a": "somewhere"}


def test_every_variable_of_the_configs_is_described() -> None:
    assert set(DESCRIPTIONS) == {name for name, _ in find_variables()}


def test_gpus() -> None:
    number = torch.cuda.device_count()
    with pytest.raises(ConfigurationError, match=f"GPU {number}.* {number} "):
        int_to_device(number)
    assert int_to_device(-1) == int_to_device(torch.device("cpu")) == torch.device("cpu")
