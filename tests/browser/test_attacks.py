"""Known attacks by markup, in every text of an explanation: no script of theirs runs, and nothing is asked for."""

import itertools

import pytest

from allennlp_graphmask.explanation import Explanation
from tests.views.explanations import ALL

RUN = "window.attacked=1;alert(1)"
URL = "http://127.0.0.1:9/x"
_TAGS = (
    "img src=x",
    "svg",
    "body",
    "input autofocus",
    "details open",
    "video src=x",
    "audio src=x",
    "marquee",
    "iframe",
    "object data=x",
)
_EVENTS = ("onerror", "onload", "onfocus", "ontoggle", "onstart", "onmouseover")
_CLOSING = ("script", "style", "title", "svg", "mark", "textarea", "noscript", "iframe")
_FETCHING = (
    "<img src={}>", "<script src={}></script>", "<link rel=stylesheet href={}>", "<iframe src={}></iframe>", "<base href={}/>",
    "<meta http-equiv=refresh content='0;url={}'>", "<form action={}><button autofocus>x</button></form>", "<object data={}></object>",
    "<embed src={}>", "<style>@import '{}';</style>", "<p style='background:url({})'>x</p>", "<svg><use href={}#a /></svg>",
    "<svg><image href={} /></svg>", "<video poster={}></video>", "<link rel=prefetch href={}>", "<a ping={} href={}>x</a>",
)  # fmt: skip
ATTACKS = [
    *(f"<{tag} {event}='{RUN}'>" for tag, event in itertools.product(_TAGS, _EVENTS)),
    *(f"</{tag}><script>{RUN}</script>" for tag in _CLOSING),
    *(text.replace("{}", URL) for text in _FETCHING),
    f"--><script>{RUN}</script><!--", f"]]><script>{RUN}</script>", f"'\"><script>{RUN}</script>", f"\" onmouseover=\"{RUN}", f"' autofocus onfocus='{RUN}",
    f"` onload=`{RUN}", f"javascript:{RUN}", f"<a href='javascript:{RUN}'>x</a>", f"<a href='java\tscript:{RUN}'>x</a>",
    f"data:text/html,<script>{RUN}</script>", "<iframe srcdoc='<script>parent.attacked=1</script>'>", f"&lt;script&gt;{RUN}&lt;/script&gt;",
    f"&#60;script&#62;{RUN}&#60;/script&#62;", f"\\u003cscript>{RUN}\\u003c/script>", f"${{{RUN}}}", f"{{{{ {RUN} }}}}", f"{{% {RUN} %}}",
    f"\u2028{RUN}\u2029", f"'; {RUN}; //", f"\"}}]; {RUN}; //", f"<svg><animate onbegin='{RUN}' attributeName=x dur=1s>", f"<scr\0ipt>{RUN}</scr\0ipt>",
    f"<math><mtext><style><img src=x onerror='{RUN}'></style></mtext></math>", f"<!--><script>{RUN}</script>", f"＜script＞{RUN}＜/script＞",
    f"url({URL}); }} * {{ background: url({URL})", f"expression({RUN})", f"<template><script>{RUN}</script></template>",
]  # fmt: skip
#: Not texts: what they must be is checked.
FIXED = {"schema", "schema_version", "kind", "config_sha256", "weights_sha256", "supports"}


def attacked(value, attacks):
    """A copy with the next attack behind every text, also behind keys that are free."""
    if isinstance(value, str):
        return value + next(attacks)
    if isinstance(value, list):
        return [attacked(item, attacks) for item in value]
    if isinstance(value, dict):
        copy = {key: item if key in FIXED else attacked(item, attacks) for key, item in value.items()}
        if "supports" in copy:
            # Mentions keep their places.
            copy["supports"] = [text + next(attacks) for text in value["supports"]]
        if "versions" in copy:
            copy["versions"][next(attacks)] = next(attacks)
        return copy
    return value


@pytest.mark.parametrize("name", ["roles", "question", "graph"])
def test_no_attack_runs_or_asks_for_anything(show, name):
    assert len(set(ATTACKS)) >= 60
    data = ALL[name].to_dict()
    for start in range(0, len(ATTACKS), 12):
        explanation = Explanation.from_dict(attacked(data, itertools.cycle(ATTACKS[start:] + ATTACKS[:start])))
        opened = show(explanation, title=ATTACKS[start])
        opened.page.on("dialog", lambda dialog: dialog.dismiss())
        opened.page.evaluate("for (const details of document.querySelectorAll('details')) details.open = true")
        for described in opened.page.query_selector_all("[data-tip]")[:5]:
            described.dispatch_event("mouseover")
        assert opened.page.evaluate("window.attacked") is None
        assert opened.complaints == []
        assert opened.requests == [opened.page.url]


@pytest.mark.parametrize("name", ["roles", "question", "graph"])
def test_no_attack_leaves_the_frame_of_a_notebook(open_file, tmp_path, name):
    explanation = Explanation.from_dict(attacked(ALL[name].to_dict(), itertools.cycle(ATTACKS)))
    path = tmp_path / "notebook.html"
    path.write_text(f"<!DOCTYPE html><title>Notebook</title>{explanation._repr_html_()}", encoding="utf-8")
    opened = open_file(path)
    opened.page.wait_for_load_state("load")
    opened.page.frame_locator("iframe").locator("main").wait_for()
    assert [frame.evaluate("window.attacked") for frame in opened.page.frames] == [None, None]
    assert opened.complaints == []
    assert all(not url.startswith("http") for url in opened.requests)
