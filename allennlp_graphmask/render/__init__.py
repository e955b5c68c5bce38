"""Views of an Explanation."""

from typing import Any

__all__ = ["render_text"]


def __getattr__(name: str) -> Any:
    # Imported when asked for: `python -m allennlp_graphmask.render.text` would otherwise find its own module
    # loaded already and warn.
    if name == "render_text":
        from allennlp_graphmask.render.text import render_text

        return render_text
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
