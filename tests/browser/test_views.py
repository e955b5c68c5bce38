"""The pages in a real browser, opened from disk."""

import pytest

from allennlp_graphmask.views import render_html, write_html_pages
from tests.browser.explanations import ALL, HOSTILE, question
from tests.explanation.explanations import role_explanation


def check(opened, contrast: bool = True) -> None:
    """
    Nothing on the console, nothing asked for but the page itself, and no serious violation that axe-core finds. Its check of
    contrast looks at all that lies under every word, which takes minutes for thousands of them.
    """
    from axe_playwright_python.sync_playwright import Axe

    opened.page.wait_for_load_state("load")
    options = {"resultTypes": ["violations"], "rules": {"color-contrast": {"enabled": contrast}}}
    results = Axe().run(opened.page, options=options).response
    bad = [item for item in results["violations"] if item["impact"] in ("serious", "critical")]
    assert bad == [], "\n".join(
        f"{item['id']}: {[node['html'] for node in item['nodes']][:3]}" for item in bad
    )
    assert opened.complaints == []
    assert opened.requests == [opened.page.url.split("#")[0]]


@pytest.fixture()
def show(open_file, tmp_path):
    """Writes the page of an explanation and opens it."""

    def show_it(explanation, **options):
        path = tmp_path / "explanation.html"
        path.write_text(render_html(explanation), encoding="utf-8")
        return open_file(path, **options)

    return show_it


@pytest.mark.parametrize("name", list(ALL))
def test_page_is_quiet_and_accessible(show, name):
    opened = show(ALL[name])
    is_small = not name.startswith(("large", "long"))
    check(opened, contrast=is_small)
    if is_small:
        opened.page.evaluate(
            "for (const details of document.querySelectorAll('details')) details.open = true"
        )
        check(opened)


@pytest.mark.parametrize("name", ["roles", "question", "graph"])
def test_usable_on_a_small_screen(show, name):
    opened = show(ALL[name], viewport={"width": 360, "height": 640})
    check(opened)
    # What is wider scrolls by itself, not the page.
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= 360


@pytest.mark.parametrize("name", ["roles", "question", "graph"])
def test_says_all_of_it_without_a_script(show, name):
    opened = show(ALL[name], java_script_enabled=False)
    assert opened.page.locator("table.messages tbody tr").count() == len(ALL[name].kept_edges()) + (
        0 if name == "question" else len(ALL[name].edges) - len(ALL[name].kept_edges())
    )
    # The switch of layers is the style's alone.
    opened.page.get_by_label("0, bottom").check()
    shown = opened.page.locator("table.messages tbody tr.k-any:visible").count()
    assert shown == len(ALL[name].kept_edges(0))


def strong(page):
    """The descriptions of the arcs with a line that is drawn as kept, by direction."""
    return page.evaluate(
        """() => [...document.querySelectorAll(".message")]
            .filter((message) => parseFloat(getComputedStyle(message.querySelector(".stroke")).strokeWidth) > 2)
            .map((message) => [message.closest(".arc").dataset.tip.split("\\n")[0],
                               message.classList.contains("along") ? "along" : "against",
                               getComputedStyle(message.querySelector(".stroke")).stroke,
                               getComputedStyle(message.querySelector(".stroke")).strokeDasharray])"""
    )


def test_the_switch_of_layers_changes_what_is_strong(show):
    page = show(role_explanation()).page
    nsubj, obj, det = "nsubj: saw → cat", "obj: saw → dog", "det: dog → the[5]"

    def kept():
        return sorted((tip, direction) for tip, direction, _, _ in strong(page))

    first = [(det, "against"), (nsubj, "against"), (nsubj, "along"), (obj, "against")]
    assert kept() == first
    page.get_by_label("1, top").check()
    assert kept() == [(nsubj, "against")]
    page.get_by_label("0, bottom").check()
    assert kept() == first
    rows = page.locator("table.messages >> nth=0 >> tbody tr:visible")
    assert rows.count() == 4
    page.get_by_label("1, top").check()
    assert rows.count() == 1
    # Told apart by colour, and without colour by their dashes.
    page.get_by_label("any layer").check()
    looks = {direction: (colour, dashes) for _, direction, colour, dashes in strong(page)}
    assert looks["along"][0] != looks["against"][0]
    assert looks["along"][1] == "none" and looks["against"][1] != "none"


def test_dropped_arcs_can_be_hidden(show):
    page = show(role_explanation()).page
    assert page.locator(".message:visible").count() == 8
    page.get_by_label("dropped arcs").uncheck()
    assert page.locator(".message:visible").count() == 4
    page.get_by_label("1, top").check()
    assert page.locator(".message:visible").count() == 1


def test_pointing_and_the_keyboard_tell_gate_label_and_layer(show):
    page = show(role_explanation()).page
    tip = page.locator(".tip")
    assert not tip.is_visible()
    # By the mouse, on the line's top.
    arc = page.locator('.arc[data-tip^="nsubj"]')
    place = arc.evaluate(
        """(arc) => { const hit = arc.querySelector(".hit"); const point = hit.getPointAtLength(hit.getTotalLength() / 2);
                      const place = point.matrixTransform(hit.getScreenCTM()); return [place.x - 40, place.y]; }"""
    )
    page.mouse.move(*place)
    assert tip.inner_text().splitlines() == [
        "nsubj: saw → cat",
        "along the arc, saw to cat: layer 0 kept, gate 0.90; layer 1 dropped, gate 0.10",
        "against the arc, cat to saw: layer 0 kept, gate 0.80; layer 1 kept, gate 0.99",
    ]
    page.mouse.move(2, 2)
    assert not tip.is_visible()
    # By the keyboard: one stop for all arcs, arrow keys between them.
    drawing = page.locator("[data-roving]")
    assert drawing.locator('[tabindex="0"]').count() == 1
    drawing.locator('[tabindex="0"]').focus()
    seen = set()
    for _ in range(3):
        seen.add(tip.inner_text().splitlines()[0])
        page.keyboard.press("ArrowRight")
    assert seen == {"nsubj: saw → cat", "obj: saw → dog", "det: dog → the[5]"}
    assert page.evaluate("document.activeElement.getAttribute('aria-label')").startswith(
        tip.inner_text().splitlines()[0]
    )
    page.keyboard.press("Escape")
    assert not tip.is_visible()


@pytest.mark.parametrize("name", ["hostile sentence", "hostile question", "hostile graph"])
def test_markup_is_shown_as_text(open_file, tmp_path, name):
    path = tmp_path / "page.html"
    path.write_text(render_html(ALL[name], title=HOSTILE), encoding="utf-8")
    opened = open_file(path)
    dialogs = []
    opened.page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    shown = HOSTILE.replace("\x00", "\ufffd").replace("\x1b", "\ufffd").replace("\u202e", "\ufffd")
    assert opened.page.title() == shown
    assert opened.page.inner_text("h1") == shown
    assert opened.page.locator("script").count() == (2 if name == "hostile question" else 1)
    assert opened.page.locator("[onload]").count() == 0
    check(opened)
    assert dialogs == []


def test_the_policy_stops_what_is_not_ours(show):
    """A script put into the page by whatever way does not run, and nothing is fetched."""
    opened = show(role_explanation())
    failures = []
    opened.page.on("requestfailed", lambda request: failures.append((request.url, request.failure)))
    opened.page.evaluate(
        """() => { const script = document.createElement("script"); script.textContent = "window.ran = true";
                   document.body.append(script);
                   document.body.insertAdjacentHTML("beforeend", "<img src='http://127.0.0.1:9/x.png'>"); }"""
    )
    opened.page.wait_for_timeout(200)
    assert opened.page.evaluate("window.ran") is None
    assert failures == [("http://127.0.0.1:9/x.png", "csp")]
    assert any("Content Security Policy" in complaint for complaint in opened.complaints)


def words_of(page):
    return page.evaluate(
        "() => [...document.querySelectorAll('.word text')].map((word) => { const box = word.getBoundingClientRect(); return [box.left, box.right, box.top, box.bottom]; })"
    )


@pytest.mark.parametrize("name", ["roles", "right to left", "long sentence", "long right to left"])
def test_no_word_lies_on_another_or_outside_the_drawing(show, name):
    page = show(ALL[name]).page
    boxes = words_of(page)
    assert len(boxes) == len(ALL[name].tokens)
    for one, other in zip(boxes, boxes[1:]):
        beside = one[1] <= other[0] or other[1] <= one[0]
        above = one[3] <= other[2] + 1 or other[3] <= one[2] + 1
        assert beside or above
    left, right = page.evaluate(
        "() => { const box = document.querySelector('[data-roving]').getBoundingClientRect(); return [box.left, box.right]; }"
    )
    assert all(left <= box[0] and box[1] <= right for box in boxes)


def test_labels_of_arcs_do_not_lie_on_each_other(show):
    for name in ("roles", "right to left", "long sentence"):
        page = show(ALL[name]).page
        boxes = page.evaluate(
            "() => [...document.querySelectorAll('.arc-label text')].map((word) => { const box = word.getBoundingClientRect(); return [box.left, box.right, box.top, box.bottom]; })"
        )
        for number, one in enumerate(boxes):
            for other in boxes[:number]:
                assert (
                    one[1] <= other[0]
                    or other[1] <= one[0]
                    or one[3] <= other[2] + 3
                    or other[3] <= one[2] + 3
                )


# --- Questions


def drawn(page):
    page.wait_for_timeout(60)
    return page.evaluate(
        "() => [...document.querySelectorAll('.links .hover')].map((link) => link.dataset.tip)"
    )


def test_links_by_layer_choice_and_relation(show):
    explanation = question(3, 3)
    page = show(explanation).page
    chains = drawn(page)
    assert chains and page.inner_text("#link-count").startswith(f"{len(chains)} link")
    page.get_by_label("all kept").check()
    for relation in page.query_selector_all('input[name="relation"]'):
        relation.check()
    assert len(drawn(page)) == len(explanation.kept_edges())
    for layer in range(3):
        page.locator(f"#layer-{layer}").check()
        assert len(drawn(page)) == len(explanation.kept_edges(layer))
        assert all(f"layer {layer} kept" in tip for tip in drawn(page))
    page.get_by_label("any layer").check()
    page.get_by_label("MATCH").uncheck()
    without = drawn(page)
    assert len(without) < len(explanation.kept_edges())
    chain_matches = [tip for tip in chains if tip.startswith("MATCH")]
    assert [tip for tip in without if tip.startswith("MATCH")] == chain_matches
    page.get_by_label("into the answer").check()
    answer = explanation.prediction["original"]["ranking"][0]["mentions"]
    assert all(
        f"[{tip.split('[')[2].split(']')[0]}]" in [f"[{node}]" for node in answer]
        for tip in drawn(page)
        if tip not in chains
    )


def test_every_link_starts_and_ends_at_its_mentions(show):
    page = show(question(3, 3)).page
    page.get_by_label("all kept").check()
    page.wait_for_timeout(60)
    far = page.evaluate(
        """() => { const frame = document.querySelector(".links").getBoundingClientRect();
          const near = (point, node) => [...document.querySelectorAll(`mark[data-nodes~="${node}"]`)].some((mark) => {
            const box = mark.getBoundingClientRect(); const x = point.x + frame.left, y = point.y + frame.top;
            return x > box.left - 12 && x < box.right + 12 && y > box.top - 12 && y < box.bottom + 12; });
          return [...document.querySelectorAll(".links .hover")].filter((link) => {
            const [source, target] = link.dataset.tip.match(/\\[\\d+\\]/g).map((name) => name.slice(1, -1));
            return !near(link.getPointAtLength(0), source) || !near(link.getPointAtLength(link.getTotalLength()), target);
          }).map((link) => link.dataset.tip); }"""
    )
    assert far == []


def test_a_mention_shows_its_links(show):
    page = show(question(3, 3)).page
    page.get_by_label("all kept").check()
    mark = page.locator('mark[data-nodes="4"]')
    mark.focus()
    focused = drawn(page)
    assert focused and all("[4]" in tip for tip in focused)
    page.keyboard.press("Enter")
    assert mark.get_attribute("aria-pressed") == "true"
    page.locator("h1").click()
    page.evaluate("document.activeElement.blur()")
    assert drawn(page) == focused
    mark.click()
    assert mark.get_attribute("aria-pressed") == "false"


def test_a_large_question_answers_at_once(show):
    page = show(ALL["large question"]).page
    page.get_by_label("all kept").check()
    page.locator("#layer-1").check()
    milliseconds = page.evaluate(
        """() => new Promise((done) => { const start = performance.now(); document.querySelector("#layer-any").click();
             requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - start))); })"""
    )
    assert len(drawn(page)) <= 409
    assert milliseconds < 5000
    assert "more kept links are not drawn" in page.inner_text("main")


# --- Print, notebooks, folders


@pytest.mark.parametrize("name", ["roles", "long sentence", "question", "graph"])
def test_prints(show, name):
    opened = show(ALL[name])
    content = opened.page.pdf(prefer_css_page_size=True)
    assert content.startswith(b"%PDF") and len(content) > 5000
    opened.page.emulate_media(media="print")
    assert not opened.page.locator(".controls").first.is_visible()
    # Nothing is cut off at the side of a sheet.
    drawing = opened.page.locator("[data-roving]").first
    if name != "graph":
        assert drawing.evaluate("(element) => element.getBoundingClientRect().width") <= 1280
    assert opened.complaints == []


def test_runs_within_the_frame_of_a_notebook(open_file, tmp_path):
    path = tmp_path / "notebook.html"
    path.write_text(
        f"<!DOCTYPE html><title>notebook</title><h1>mine</h1>{question(2, 3)._repr_html_()}{ALL['hostile sentence']._repr_html_()}",
        encoding="utf-8",
    )
    opened = open_file(path)
    opened.page.wait_for_timeout(300)
    frames = [frame for frame in opened.page.frames if frame != opened.page.main_frame]
    assert len(frames) == 1 or len(frames) == 2
    opened.page.locator("iframe").nth(1).scroll_into_view_if_needed()
    frame = opened.page.frame_locator("iframe").nth(0)
    frame.get_by_label("all kept").check()
    assert frame.locator(".links .hover").count() > 0
    assert opened.page.inner_text("h1") == "mine"
    assert opened.page.locator("body > *").count() == 3
    # The frame has no access to the notebook.
    inside = next(frame for frame in opened.page.frames if frame != opened.page.main_frame)
    assert (
        inside.evaluate("() => { try { return parent.document.title } catch (error) { return error.name } }")
        == "SecurityError"
    )
    assert [url for url in opened.requests if not url.startswith(("file:", "about:"))] == []
    assert opened.complaints == []


def test_the_index_leads_to_the_pages(open_file, tmp_path):
    write_html_pages([role_explanation(), ALL["hostile question"]], tmp_path)
    opened = open_file(tmp_path / "index.html")
    check(opened)
    opened.page.locator("a").nth(1).click()
    opened.page.wait_for_selector(".supports")
    assert opened.page.url.endswith("0002.html")
    assert opened.complaints == []


# --- Real data


def test_real_sentences(show, real_sentences):
    explanations = [item for item in real_sentences if item.kept_edges()]
    # The shortest, the longest and some in between.
    order = sorted(explanations, key=lambda item: len(item.tokens))
    for explanation in [order[0], order[len(order) // 2], order[-1]]:
        opened = show(explanation)
        check(opened)
        assert len(words_of(opened.page)) == len(explanation.tokens)
        kept = sum(sum(edge.kept[0:1]) for edge in explanation.edges)
        opened.page.locator("#layer-0").check()
        assert len(strong(opened.page)) == kept


def test_real_questions(show, real_questions):
    explanations = sorted(real_questions, key=lambda item: len(item.nodes))
    for explanation in [explanations[0], explanations[len(explanations) // 2], explanations[-1]]:
        opened = show(explanation)
        check(opened)
        nodes = opened.page.evaluate(
            "() => [...new Set([...document.querySelectorAll('mark[data-nodes]')].flatMap((mark) => mark.dataset.nodes.split(' ')))].length"
        )
        assert nodes == len(explanation.nodes)
        opened.page.get_by_label("all kept").check()
        assert bool(drawn(opened.page)) == bool(explanation.kept_edges())
        check(opened)
