"""The blocks of docs/pyg.md."""

import json
import re
from pathlib import Path

import _jsonnet
import pytest
from allennlp.common import Params
from allennlp.data import Vocabulary

from allennlp_graphmask.modules import GraphEncoder

pytest.importorskip("torch_geometric", reason="needs the extra [pyg]")

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "pyg.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, flags=re.DOTALL)


def test_a_first_explanation(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    found: dict[str, object] = {}
    for block in blocks("python"):
        exec(block, found)
    page = (tmp_path / "pages" / "0001.html").read_text(encoding="utf-8")
    assert f"The class of {found['node']}" in page
    printed = capsys.readouterr().out
    assert float(re.search(r"accuracy: (\S+)", printed)[1]) > 0.85  # type: ignore[index]
    assert "prediction changed: False" in printed


def test_every_other_block() -> None:
    [config] = blocks("jsonnet")
    encoder = GraphEncoder.from_params(
        Params(json.loads(_jsonnet.evaluate_snippet("pyg.md", config))), vocab=Vocabulary()
    )
    assert encoder.get_output_dim() == 64
    [commands] = blocks("bash")
    assert "[pyg]" in commands and set(re.findall(r"```(\w+)", PAGE)) == {"bash", "python", "jsonnet"}
