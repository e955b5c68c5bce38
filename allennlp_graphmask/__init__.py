"""
Explaining graph neural networks over text: an AllenNLP plugin with graph encoders, readers and models for tasks on graphs,
and GraphMask (Schlichtkrull, De Cao and Titov, ICLR 2021, https://arxiv.org/abs/2010.00577).
"""

try:
    import allennlp_graphmask_compat
except ModuleNotFoundError:
    # Only the package was put on the path, without the compatibility layer: AllenNLP may still fit its libraries.
    pass
else:
    # Usually done at the start of the interpreter; not where .pth files are not read (pip install --target, python -S).
    allennlp_graphmask_compat.install()

try:
    import allennlp as _allennlp  # noqa: F401
except ModuleNotFoundError as error:
    if error.name != "allennlp":
        raise
    # AllenNLP's own pins cannot be resolved on current Python, so it cannot be a dependency that pip installs for us.
    raise ModuleNotFoundError(
        "allennlp_graphmask needs AllenNLP 2.10.1, which pip can only install on current Python without its own (outdated) "
        "dependencies. Run: pip install --no-deps allennlp==2.10.1 fairscale==0.4.13",
        name="allennlp",
    ) from error

from allennlp_graphmask.version import VERSION as __version__

__all__ = ["__version__"]
