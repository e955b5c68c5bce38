"""What `benchmarks.pyg_motifs` reports."""

from typing import Any, Dict

import pytest
import torch

pytest.importorskip("torch_geometric", reason="needs the extra [pyg]")

from torch_geometric.explain import Explanation
from torch_geometric.nn import SimpleConv

from benchmarks.pyg_motifs import Removal, count_needed, edges_that_reach, table
from tests.pyg.models import explainer


class Carrier(torch.nn.Module):
    """Node 0 is of the first class if it hears from node 1, by one edge of several, and is of the second class otherwise."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = SimpleConv(aggr="sum")

    def forward(self, x: torch.Tensor, edge_index: torch.Tensor) -> torch.Tensor:
        heard = self.convolution(x, edge_index)
        return torch.stack([4 * heard[:, 0] - 2, torch.zeros(len(x))], dim=-1)


X = torch.tensor([[0.0], [1.0], [0.0], [0.0]])
EDGES = torch.tensor([[2, 1, 3, 0], [0, 0, 0, 2]])


@pytest.mark.parametrize("one_after_another", [False, True])
def test_removing_edges_finds_the_one_that_is_needed(one_after_another: bool) -> None:
    explain = explainer(Carrier(), Removal(one_after_another))
    explanation = explain(X, EDGES, index=0)
    assert int(explanation.edge_mask.argmax()) == 1
    reaches = edges_that_reach(0, EDGES, len(X))
    assert reaches.tolist() == [True, True, True, True]
    assert count_needed(explain, explanation, reaches, 0) == 1
    backwards = Explanation(x=X, edge_index=EDGES, edge_mask=torch.tensor([3.0, 0.0, 2.0, 1.0]))
    assert count_needed(explain, backwards, reaches, 0) == 4


def test_the_table_has_means_over_seeds_and_then_over_data_sets() -> None:
    def line(data: str, **figures: float) -> Dict[str, Any]:
        others = dict.fromkeys(("fidelity+", "fidelity-", "once", "seconds"), 0.0)
        return {"data": data, "method": "graphmask", "needed": 2.0, **others, **figures}

    lines = [
        line("ba_house", auroc=0.5, altered=0.0),
        line("ba_house", altered=0.2),  # an area that is not defined does not count
        line("tree_grid", auroc=0.7, altered=0.3),
        line("tree_grid", auroc=0.9, altered=0.3),
    ]
    header, _, row = table(lines).splitlines()
    cells = dict(zip(header.strip("| ").split(" | "), row.strip("| ").split(" | "), strict=True))
    assert cells["ba_house"] == "50.0 (2.0)" and cells["tree_grid"] == "80.0 (2.0)" and cells["mean"] == "65.0 (2.0)"
    assert cells["altered"] == "20.0 %"
