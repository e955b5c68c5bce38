"""Explanations as self-contained HTML: pages, folders of pages with an index, and frames for notebooks."""

import base64
import functools
import hashlib
import itertools
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple, Union

from allennlp_graphmask.explanation.explanation import Explanation
from allennlp_graphmask.explanation.files import write_atomically
from allennlp_graphmask.views.foci import explain_one_prediction, group_by_prediction
from allennlp_graphmask.views.message_table import describe_decisions, kept_classes, score_name
from allennlp_graphmask.views.text_layout import shorten
from allennlp_graphmask.views.view import Source, View, get_view, has_choice_of_foci
from allennlp_graphmask.views.wording import format_kept

if TYPE_CHECKING:  # imported when a page is rendered, not by every `allennlp` command
    from jinja2 import Environment, Template

INDEX = "index.html"

_TEMPLATES = Path(__file__).with_name("templates")
# A page may neither load nor send anything; its one style and its one script are allowed by their hashes.
_POLICY = "default-src 'none'; style-src '{style}'; script-src '{script}'; base-uri 'none'; form-action 'none'"
# Control characters but for white space, surrogates, and characters that change the direction of what follows them, beyond the end
# of the text that they are in.
_FORBIDDEN = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff\u202a-\u202e\u2066-\u2069]")

# The parts of a page of which an SVG document is made.
_DRAWING = re.compile(r'<svg ([^>]*role="group"[^>]*)>(.*?)</svg>', re.DOTALL)
_STYLE = re.compile(r"<style>(.*?)</style>", re.DOTALL)
_VARIABLE = re.compile(r"(--[a-z]+): ([^;]+);")
_RESOLVED = re.compile(r"var\((--[a-z]+)\)")
_ANY_LAYER = re.compile(r":is\(\.view (\.[ka]-any)\)")
_DRAWN = re.compile(r"(svg |\.(word|role|lane|stroke|hit|message|arc-label|k-any|a-any|graph-node|edge|sample)\b)")
_TAG = re.compile(r"<[^>]*>")
_FOR_SCRIPTS = re.compile(r' (data-(tip|roving)|tabindex="[^"]*"|aria-label="[^"]*"|role="[^"]*")(?=[ >/]|$)')


def render_html(
    explanation: Explanation, *others: Explanation, title: Optional[str] = None, max_edges: int = 400
) -> str:
    """
    Render an explanation as one HTML document that loads nothing: style, script and drawing are part of it, and its content
    security policy forbids everything else. All text of the explanation is escaped.

    # Parameters

    explanation : `Explanation`
    *others : `Explanation`
        Further explanations of the same prediction, with other foci (each role, beside all that are assigned): the page starts with
        the first and has a choice of them. Only sentences have such pages.
    title : `str`, optional
        By default what is explained: the predicate with its sentence, the question, the text of the graph.
    max_edges : `int`, optional (default = `400`)
        Draw at most this many arcs or links and list at most this many kept messages, those with the highest scores. The page
        gives the number of those left out.

    # Raises

    `ValueError` if the explanations are not of different parts of one prediction, or their view does not show several.
    """
    return _render_explanation(explanation, others, title, max_edges)


def _render_explanation(
    explanation: Explanation,
    others: Sequence[Explanation],
    title: Optional[str],
    max_edges: int,
    **context: Any,
) -> str:
    view = get_view(explanation)
    if others and not (view.has_choice_of_foci and explain_one_prediction([explanation, *others])):
        raise ValueError("Explanations on one page are of one sentence and one prediction, with different foci.")
    view.parts = [view, *map(get_view, others)]
    context = {
        "explanation": explanation,
        "parts": view.parts,
        "tables": [part.build_table(max_edges) for part in view.parts],
        "names": view.node_names,
        "num_layers": explanation.num_layers,
        "num_foci": len(view.parts),
        "title": view.get_title() if title is None else title,
        "score": score_name(explanation),
        "provenance": _list_provenance(explanation),
        **view.build_context(max_edges),
        **context,
    }
    return render_page(view.template, context, view.style, view.script)


def render_svg(explanation: Explanation, max_edges: int = 400) -> str:
    """
    Render the drawing of the page as an SVG document, for papers and slides: static, with the messages that are kept in any layer
    coloured, and those that are dropped pale.

    # Raises

    `ValueError` if the page of an explanation of this kind has no drawing of the graph.
    """
    # As of a single layer, in which is kept what is kept in any: then the style depends on no control of the page.
    page = _render_explanation(explanation, (), None, max_edges, num_layers=1)
    drawing = _DRAWING.search(page)
    style = _STYLE.search(page)
    if drawing is None or style is None:
        raise ValueError(f"The view of an explanation of the kind '{explanation.kind}' has no drawing of the graph.")
    values = dict(_VARIABLE.findall(style[1]))
    rules = _RESOLVED.sub(lambda found: values[found[1]], _ANY_LAYER.sub(r"\1", style[1]))
    # Without those that need a control, or a page around.
    kept = [rule for rule in rules.splitlines() if _DRAWN.match(rule) and ":has(" not in rule]
    content = _TAG.sub(lambda tag: _FOR_SCRIPTS.sub("", tag[0]), drawing[2])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {_FOR_SCRIPTS.sub("", drawing[1]).strip()}>\n<style>\n'
        f"svg {{ font-family: Arial, 'Liberation Sans', sans-serif; }}\n{_escape(chr(10).join(kept))}\n</style>{content}</svg>\n"
    )


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")


def render_frame(explanation: Explanation) -> str:
    """
    Render an explanation as an element of another page, such as a notebook: a frame that shares nothing with its surroundings
    and may do nothing but run the page's own script.
    """
    return _environment().get_template("frame.html").render(page=render_html(explanation))


class _IndexRow(NamedTuple):
    """A page in the index."""

    page: str
    name: str
    prediction: str
    changed: str
    kept: str
    kept_share: float


def write_html_pages(explanations: Iterable[Explanation], folder: Union[str, Path], *, max_edges: int = 400) -> int:
    """
    Write pages to a folder, which is created if need be: `0001.html`, `0002.html`, ..., and after them `index.html`, which links to
    them. Pages of an earlier run with higher numbers are removed. Explanations of different parts of one prediction that follow each other (the roles of a predicate) share a page if their
    view has a choice of foci. Every file appears only when it is complete, and explanations are read page by page; for `max_edges` see
    `render_html`. Return the number of pages without the index.

    # Raises

    `OSError` if the folder cannot be written. An error of the iterable leaves the pages before it, and no index.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    # The title of each text with its pages; those of one text that follow each other come under one title.
    texts: List[Tuple[str, List[_IndexRow]]] = []
    last: Any = None
    num_pages = 0
    for num_pages, group in enumerate(group_by_prediction(explanations, has_choice_of_foci), start=1):
        name = f"{num_pages:04}.html"
        write_atomically(folder / name, render_html(*group, max_edges=max_edges))
        view = get_view(group[0])
        part = view.get_part_of_text()
        text = None if part is None else group[0].tokens
        if text is None or text != last:
            texts.append((view.get_title() if text is None else shorten(" ".join(text), 160), []))
        last = text
        texts[-1][1].append(_describe_page(name, part, view, group))
    index = render_page(
        _TEMPLATES / INDEX,
        {"title": "Explanations", "texts": texts, "num_pages": num_pages, "num_layers": 1, "num_foci": 1},
        script=_TEMPLATES / "index.js",
    )
    write_atomically(folder / INDEX, index)
    # Pages of an earlier run that had more are in no index.
    for number in itertools.count(num_pages + 1):
        stale = folder / f"{number:04}.html"
        if not stale.exists():
            break
        stale.unlink()
    return num_pages


def _describe_page(page: str, part: Optional[str], view: View, explanations: Sequence[Explanation]) -> _IndexRow:
    """Return the row of a page; how much is kept is that of its first explanation."""
    changed = [explanation.prediction["changed"] for explanation in explanations]
    outcome = "changed" if True in changed else "not measured" if None in changed else "unchanged"
    return _IndexRow(
        page,
        page if part is None else part,
        shorten(view.summarize(view.explanation.prediction["original"]), 120),
        outcome,
        format_kept(view.num_kept, view.num_messages) if view.num_messages else "no messages",
        view.explanation.kept_share(),
    )


def _list_provenance(explanation: Explanation) -> List[Tuple[str, str]]:
    provenance = explanation.provenance
    # Long metadata are left out: either the page shows them elsewhere, or they are of no use here.
    metadata = {
        key: value
        for key, value in explanation.metadata.items()
        if value is None or isinstance(value, (int, float)) or (isinstance(value, str) and len(value) < 200)
    }
    rows: Dict[str, Any] = {
        "interpreter": explanation.interpreter["name"],
        **provenance["versions"],
        "configuration, SHA-256": provenance["config_sha256"],
        "weights, SHA-256": provenance["weights_sha256"],
        **provenance["seeds"],
        "metadata": json.dumps(metadata, ensure_ascii=False),
    }
    return [(label, "unknown" if value is None else str(value)) for label, value in rows.items()]


# --- Templates


def render_page(template: Source, context: Dict[str, Any], style: Source = "", script: Source = "") -> str:
    """Return a whole document. The template extends `page.html`; everything in `context` is escaped."""
    from markupsafe import Markup

    view_style = Markup(_compile(style).render(context))
    whole_style = _environment().get_template("page.css").render(context, view_style=view_style).strip()
    whole_script = "\n".join(map(_read, (_TEMPLATES / "page.js", script))).strip()
    policy = _POLICY.format(style=_hash(whole_style), script=_hash(whole_script))
    return _compile(template).render(
        context, style=Markup(whole_style), script=Markup(whole_script), policy=Markup(policy)
    )


@functools.cache
def _environment() -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: _replace_forbidden(value) if type(value) is str else value,
    )
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":")}
    environment.filters["count"] = lambda number: f"{number:,}"
    environment.filters["pixels"] = lambda number: f"{number:.1f}".removesuffix(".0")
    environment.filters["score"] = lambda number: f"{number:.2f}"
    environment.filters["kept_classes"] = kept_classes
    environment.filters["decisions"] = describe_decisions
    return environment


@functools.cache
def _compile(source: Source) -> "Template":
    return _environment().from_string(_read(source))


def _read(source: Source) -> str:
    return source.read_text(encoding="utf-8") if isinstance(source, Path) else source


def _replace_forbidden(text: str) -> str:
    """
    Replace control characters and surrogates, which no HTML document may contain, and characters that change the direction of
    other text. (The browser knows the direction of letters.)
    """
    return _FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", text)


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
