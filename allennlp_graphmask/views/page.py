"""One self-contained HTML page: templates, style, script, and a content security policy that allows just these."""

import base64
import hashlib
import unicodedata
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

# A page may neither load anything nor be used to send anything; its one style and one script are allowed by their hashes.
_POLICY = (
    "default-src 'none'; style-src '{style}'; script-src '{script}'; base-uri 'none'; form-action 'none'"
)


# Characters that turn the direction of what follows, beyond the end of the text that they are in.
_TURNS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def _shown(text: str) -> str:
    """
    Without control characters and halves of characters, which no HTML document may contain, and without what would turn
    the direction of other text. (The direction of letters is the browser's to know.)
    """
    return "".join(
        "\N{REPLACEMENT CHARACTER}"
        if character in _TURNS
        or (unicodedata.category(character) in ("Cc", "Cs") and character not in "\t\n\r")
        else character
        for character in text
    )


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("allennlp_graphmask.views", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: _shown(value) if type(value) is str else value,
    )
    environment.filters["count"] = lambda number: f"{number:,}"
    environment.filters["pixels"] = lambda number: f"{number:.1f}".removesuffix(".0")
    return environment


_ENVIRONMENT = _environment()


def render_page(template: str, *, num_layers: int = 0, **context: Any) -> str:
    """
    A whole HTML document.

    # Parameters

    template : `str`
        A file of `templates/`, which extends `page.html`.
    num_layers : `int`, optional (default = `0`)
        For how many layers there is a switch.
    context : `Any`
        What the template shows. All of it is escaped.
    """
    style = Markup(_ENVIRONMENT.get_template("page.css").render(num_layers=num_layers).strip())
    script = Markup("\n".join(_source(name) for name in ("page.js", "question.js")).strip())
    policy = _POLICY.format(style=_sha256(style), script=_sha256(script))
    return _ENVIRONMENT.get_template(template).render(
        style=style, script=script, policy=Markup(policy), num_layers=num_layers, **context
    )


def _source(name: str) -> str:
    return resources.files(__package__).joinpath("templates", name).read_text(encoding="utf-8")


def framed(page: str) -> str:
    """
    A page as an element of another one, a notebook's for example: a frame that shares nothing with what is around it and
    may do nothing but run the page's own script.
    """
    return _ENVIRONMENT.get_template("frame.html").render(page=page)


def _sha256(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
