"""Views of an Explanation."""

from typing import Any

__all__ = ["render_html", "render_text", "write_html_pages"]


def __getattr__(name: str) -> Any:
    # Imported when asked for: `python -m allennlp_graphmask.render.text` would otherwise find its own module
    # loaded already and warn.
    if name == "render_text":
        from allennlp_graphmask.render.text import render_text

        return render_text
    if name in ("render_html", "write_html_pages"):
        from allennlp_graphmask.render import html

        return getattr(html, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
