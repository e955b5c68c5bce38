"""
Models of PyTorch Geometric (PyG), explained where they are (`GraphMask`, `EdgeInterpreterAlgorithm`), and its convolutions as graph encoders
(`PygEncoder`). Needs the extra `[pyg]`; see docs/pyg.md.
"""

from typing import TYPE_CHECKING, Any

from allennlp_graphmask.pyg.encoder import PygEncoder
from allennlp_graphmask.pyg.pages import to_explanation

if TYPE_CHECKING:
    from allennlp_graphmask.pyg._algorithms import EdgeInterpreterAlgorithm, GraphMask

__all__ = ["EdgeInterpreterAlgorithm", "GraphMask", "PygEncoder", "to_explanation"]


# PyG takes seconds to import. With its plugins AllenNLP imports all modules of a package but those whose names begin with an underscore.
def __getattr__(name: str) -> Any:
    if name not in ("EdgeInterpreterAlgorithm", "GraphMask"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from allennlp_graphmask.pyg import _algorithms

    return getattr(_algorithms, name)
