"""The blocks of docs/plain_pytorch.md."""

import re
from pathlib import Path
from typing import Any, Dict

import torch

from allennlp_graphmask.interpret.masked_model import MaskedModel
from allennlp_graphmask.modules.intervention import Gate

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "plain_pytorch.md").read_text(encoding="utf-8")


def test_the_page(capsys) -> None:
    found: Dict[str, Any] = {}
    blocks = re.findall(r"```(\w+)\n(.*?)```", PAGE, flags=re.DOTALL)
    for language, block in blocks:
        assert language == "python"
        exec(block, found)
    printed = capsys.readouterr().out
    assert "accuracy: 1.0\n" in printed
    shares = re.findall(r"mean score (\S+) from positive sources, (\S+) from others", printed)
    assert len(shares) == 2 and all(float(positive) > 5 * float(other) for positive, other in shares)
    # Dropping a message is what leaving out its edge is.
    model, network, x, edge_index = (found[name] for name in ("model", "network", "x", "edge_index"))
    kept = torch.arange(edge_index.size(1)) % 3 > 0
    masked_model = MaskedModel(model)
    unmasked = masked_model.unmasked({"x": x, "graph": found["graph"]})
    with torch.no_grad():
        masked = masked_model.masked(unmasked, [Gate(kept)] * 2)
        torch.testing.assert_close(masked["logits"][0], network(x, edge_index[:, kept]))
