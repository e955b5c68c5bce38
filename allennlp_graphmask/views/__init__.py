"""Views of an Explanation."""

from typing import Any

__all__ = ["render_html", "render_text", "write_html_pages"]


def __getattr__(name: str) -> Any:
    # Imported when asked for: `python -m allennlp_graphmask.views.sentence.text` would otherwise find its own module
    # loaded already and warn.
    if name == "render_text":
        from allennlp_graphmask.views.sentence.text import render_text

        return render_text
    if name in ("render_html", "write_html_pages"):
        from allennlp_graphmask.views import html

        return getattr(html, name)
    if name == "render_frame":
        from allennlp_graphmask.views import html, page

        return lambda explanation: page.framed(html.render_html(explanation))
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
