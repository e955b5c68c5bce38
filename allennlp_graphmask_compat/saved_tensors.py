"""
What `torch.load` reads of what AllenNLP saves. Each function is the body of a patch, see `patches`, or a part of one.

The libraries are imported inside the functions, as in `patches`.
"""

from __future__ import annotations

import io
import pickle
import warnings
from types import ModuleType
from typing import Any

from allennlp_graphmask_compat.mechanism import View


def torch_load(module: ModuleType) -> dict[str, Any]:
    """
    Build a `torch.load` that also takes NumPy numbers. It is as safe as before: `weights_only` stays true, and the list of harmless
    types grows only while the checkpointer reads.
    """
    import numpy
    import torch

    if _can_read_back(numpy.float64(0.5), pickle_protocol=torch.serialization.DEFAULT_PROTOCOL):
        return {}

    def load(*args: Any, **kwargs: Any) -> Any:
        with torch.serialization.safe_globals(_find_numpy_number_globals()):
            return torch.load(*args, **kwargs)

    return {"torch": View(torch, load=load)}


def _find_numpy_number_globals() -> list[Any]:
    """
    Return what a pickled NumPy number refers to: the function that rebuilds it, `dtype`, and the `dtype` classes of the numbers
    that learning rates (`cosine` computes them in float64) and metrics are. Not those of objects, records and strings.
    """
    import numpy
    from numpy._core.multiarray import scalar

    number_types = (numpy.bool_, numpy.int32, numpy.int64, numpy.float32, numpy.float64)
    return [scalar, numpy.dtype, *(type(numpy.dtype(number_type)) for number_type in number_types)]


def tensor_cache_protocol(module: ModuleType) -> dict[str, Any]:
    """torch's own pickle protocol as the highest one."""
    import torch

    if _can_read_back(torch.zeros(1), pickle_protocol=pickle.HIGHEST_PROTOCOL):
        return {}
    return {"pickle": View(pickle, HIGHEST_PROTOCOL=torch.serialization.DEFAULT_PROTOCOL)}


def _can_read_back(value: Any, *, pickle_protocol: int) -> bool:
    import torch

    written = io.BytesIO()
    torch.save(value, written, pickle_protocol=pickle_protocol)
    written.seek(0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns of the very thing that is being tried.
            torch.load(written)
    except pickle.UnpicklingError:
        return False
    return True
