"""
Models of PyTorch Geometric (PyG), explained where they are, and its convolutions as graph encoders. Needs the extra `[pyg]`.

PyG takes seconds to import, so only what uses it does.
"""

from allennlp_graphmask.pyg.encoder import PygEncoder

__all__ = ["PygEncoder"]
