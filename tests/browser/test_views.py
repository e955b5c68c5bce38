"""The pages in a real browser, opened from disk."""

import pytest

from allennlp_graphmask.views import write_html_pages
from tests.browser.conftest import OpenPage
from tests.explanation.explanations import role_explanation
from tests.views.explanations import ALL, HOSTILE, HOSTILE_SHOWN, question
from tests.views.test_foci import KEPT, roles


def check(opened, contrast=True):
    """
    Nothing on the console, nothing asked for but the page itself, and no serious violation that axe-core finds. Its check of
    contrast looks at all that lies under every word, which takes minutes for thousands of them.
    """
    from axe_playwright_python.sync_playwright import Axe

    opened.page.wait_for_load_state("load")
    options = {"resultTypes": ["violations"], "rules": {"color-contrast": {"enabled": contrast}}}
    violations = Axe().run(opened.page, options=options).response["violations"]
    serious = [
        (item["id"], [node["html"] for node in item["nodes"]][:3])
        for item in violations
        if item["impact"] in ("serious", "critical")
    ]
    assert serious == []
    assert opened.complaints == []
    assert opened.requests == [opened.page.url.split("#")[0]]


def measure(page, selector):
    """The boxes of elements as (left, right, top, bottom)."""
    return page.evaluate(
        """(selector) => [...document.querySelectorAll(selector)].map((element) => {
            const box = element.getBoundingClientRect(); return [box.left, box.right, box.top, box.bottom]; })""",
        selector,
    )


def overlap(one, other, slack):
    beside = one[1] <= other[0] or other[1] <= one[0]
    above = one[3] <= other[2] + slack or other[3] <= one[2] + slack
    return not (beside or above)


@pytest.mark.parametrize("name", list(ALL))
def test_page_is_quiet_and_accessible(show, name):
    opened = show(ALL[name])
    is_small = not name.startswith(("large", "long"))
    check(opened, contrast=is_small)
    if is_small:
        opened.page.evaluate("for (const details of document.querySelectorAll('details')) details.open = true")
        check(opened)


@pytest.mark.parametrize("name", ["roles", "question", "graph"])
def test_usable_on_a_small_screen(show, name):
    opened = show(ALL[name], viewport={"width": 360, "height": 640})
    check(opened)
    # What is wider scrolls by itself, not the page.
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= 360


@pytest.mark.parametrize("name", ["roles", "question", "graph"])
def test_shows_all_of_it_without_a_script(show, name):
    page = show(ALL[name], java_script_enabled=False).page
    kept, total = len(ALL[name].kept_edges()), len(ALL[name].edges)
    assert page.locator("table.messages tbody tr").count() == (kept if name == "question" else total)
    # The switch of layers is the style's alone.
    page.get_by_label("0, bottom").check()
    shown = page.locator("table.messages tbody tr.k-any:visible").count()
    assert shown == len(ALL[name].kept_edges(0))


# --- Sentences


def get_strong(page):
    """The lines that are drawn as kept: the description of the arc, direction, colour and dashes."""
    return page.evaluate(
        """() => [...document.querySelectorAll(".message")]
            .map((message) => [message, getComputedStyle(message.querySelector(".stroke"))])
            .filter(([message, style]) => parseFloat(style.strokeWidth) > 2)
            .map(([message, style]) => [message.closest(".arc").getAttribute("aria-label").split("\\n")[0],
                message.classList.contains("along") ? "along" : "against", style.stroke, style.strokeDasharray])"""
    )


def test_the_switch_of_layers_changes_what_is_strong(show):
    page = show(role_explanation()).page
    nsubj, obj, det = "nsubj: saw → cat", "obj: saw → dog", "det: dog → the[5]"
    bottom = [[det, "against"], [nsubj, "against"], [nsubj, "along"], [obj, "against"]]
    rows = page.locator("table.messages >> nth=0 >> tbody tr:visible")
    for layer, kept, num_rows in (
        ("any layer", bottom, 4),
        ("1, top", [[nsubj, "against"]], 1),
        ("0, bottom", bottom, 4),
    ):
        page.get_by_label(layer).check()
        assert sorted(line[:2] for line in get_strong(page)) == kept
        assert rows.count() == num_rows
    # The directions differ in colour, and without colour in their dashes.
    looks = {direction: (colour, dashes) for _, direction, colour, dashes in get_strong(page)}
    assert looks["along"][0] != looks["against"][0]
    assert looks["along"][1] == "none" and looks["against"][1] != "none"


def test_dropped_arcs_can_be_hidden(show):
    page = show(role_explanation()).page
    messages = page.locator(".message:visible")
    assert messages.count() == 8
    page.get_by_label("dropped arcs").uncheck()
    assert messages.count() == 4
    page.get_by_label("1, top").check()
    assert messages.count() == 1


def test_pointing_and_the_keyboard_show_gate_label_and_layer(show):
    page = show(role_explanation()).page
    tip = page.locator(".tip")
    assert not tip.is_visible()
    # By the mouse, on the line's top.
    place = page.locator('.arc[aria-label^="nsubj"]').evaluate(
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
    stop = page.locator('[data-roving] [tabindex="0"]')
    assert stop.count() == 1
    stop.focus()
    seen = set()
    for _ in range(3):
        seen.add(tip.inner_text().splitlines()[0])
        page.keyboard.press("ArrowRight")
    assert seen == {"nsubj: saw → cat", "obj: saw → dog", "det: dog → the[5]"}
    label = page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert label.startswith(tip.inner_text().splitlines()[0])
    page.keyboard.press("Escape")
    assert not tip.is_visible()


@pytest.mark.parametrize("name", ["roles", "right to left", "long sentence", "long right to left"])
def test_nothing_lies_on_anything_else_or_outside_the_drawing(show, name):
    page = show(ALL[name]).page
    words = measure(page, "[data-roving]:not(.narrow) .word text")
    assert len(words) == len(ALL[name].tokens)
    assert not any(overlap(one, other, slack=1) for one, other in zip(words, words[1:]))
    [[left, right, _, _]] = measure(page, "[data-roving]:not(.narrow)")
    assert all(left <= word[0] and word[1] <= right for word in words)
    if name != "long right to left":
        labels = measure(page, "[data-roving]:not(.narrow) .arc-label text")
        for number, one in enumerate(labels):
            assert not any(overlap(one, other, slack=3) for other in labels[:number])


@pytest.mark.parametrize("name", list(ALL))
@pytest.mark.parametrize("width", [400, 700, 1000, 1400])
def test_no_screen_cuts_off_a_sentence(show, name, width):
    if ALL[name].kind != "sentence":
        pytest.skip("not a sentence")
    page = show(ALL[name], viewport={"width": width, "height": 800}).page
    [shown] = page.locator("[data-roving]:visible").all()
    # A column of words of any length may be wider: its words come first.
    if "column" not in shown.get_attribute("class"):
        assert (
            page.evaluate(
                "(() => { const box = document.querySelector('.drawing'); return box.scrollWidth - box.clientWidth; })()"
            )
            <= 0
        )
        sizes = page.evaluate(
            "[...document.querySelectorAll('.line .word text')].map((word) => word.getBoundingClientRect().height)"
        )
        assert min(sizes) >= 11


def test_the_choice_of_roles_changes_what_is_strong(show, tmp_path):
    first, *others = roles()
    for scripts in (True, False):
        page = show(first, *others, java_script_enabled=scripts).page
        for label, kept in KEPT.items():
            page.get_by_role("radio", name=label).check()
            assert page.locator(".statement:visible").count() == 1
            assert page.locator("table.messages tbody tr.k-none:visible").count() == 0
            assert page.locator("table.messages tbody tr:visible").count() == len(kept)
            if scripts:
                assert len(get_strong(page)) == len(kept)
                check(OpenPage(page, [], [page.url]))


# --- Hostile text


@pytest.mark.parametrize("name", ["hostile sentence", "hostile question", "hostile graph"])
def test_markup_is_shown_as_text(show, name):
    opened = show(ALL[name], title=HOSTILE)
    dialogs = []
    opened.page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    assert opened.page.title() == opened.page.inner_text("h1") == HOSTILE_SHOWN
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


# --- Questions


def get_links(page):
    """The descriptions of the links that are drawn."""
    page.wait_for_timeout(60)
    return page.evaluate("() => [...document.querySelectorAll('.over .hover')].map((link) => link.dataset.tip)")


def test_links_by_layer_choice_and_relation(show):
    explanation = question(3, 3)
    page = show(explanation).page
    chains = get_links(page)
    assert chains and page.inner_text("#link-count").startswith(f"{len(chains)} link")
    page.get_by_label("all kept").check()
    for relation in page.query_selector_all('input[name="relation"]'):
        relation.check()
    assert len(get_links(page)) == len(explanation.kept_edges())
    for layer in range(3):
        page.locator(f"#layer-{layer}").check()
        links = get_links(page)
        assert len(links) == len(explanation.kept_edges(layer))
        assert all(f"layer {layer} kept" in link for link in links)
    page.get_by_label("any layer").check()
    # What is not ticked is not drawn, also of a chain, whose relations are ticked at first.
    relation = chains[0].split(":")[0]
    page.get_by_label(relation).uncheck()
    without = get_links(page)
    assert without and not [link for link in without if link.startswith(relation)]
    page.get_by_label("into the answer").check()
    answer = explanation.prediction["original"]["ranking"][0]["mentions"]
    targets = [link.split("[")[2].split("]")[0] for link in get_links(page) if link not in chains]
    assert {int(target) for target in targets} <= set(answer)


def test_every_link_starts_and_ends_at_its_mentions(show):
    page = show(question(3, 3)).page
    page.get_by_label("all kept").check()
    page.wait_for_timeout(60)
    far = page.evaluate(
        """() => { const frame = document.querySelector(".links").getBoundingClientRect();
          const near = (point, node) => [...document.querySelectorAll(`mark[data-nodes~="${node}"]`)].some((mark) => {
            const box = mark.getBoundingClientRect(); const x = point.x + frame.left, y = point.y + frame.top;
            return x > box.left - 12 && x < box.right + 12 && y > box.top - 12 && y < box.bottom + 12; });
          return [...document.querySelectorAll(".over .hover")].filter((link) => {
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
    focused = get_links(page)
    assert focused and all("[4]" in link for link in focused)
    page.keyboard.press("Enter")
    assert mark.get_attribute("aria-pressed") == "true"
    page.locator("h1").click()
    page.evaluate("document.activeElement.blur()")
    assert get_links(page) == focused
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
    assert len(get_links(page)) <= 409
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
    left, right, _, _ = measure(opened.page, "[data-roving]")[0]
    assert name == "graph" or right - left <= 1280
    assert opened.complaints == []


def test_runs_within_the_frame_of_a_notebook(open_file, tmp_path):
    path = tmp_path / "notebook.html"
    frames = [explanation._repr_html_() for explanation in (question(2, 3), ALL["hostile sentence"])]
    path.write_text(f"<!DOCTYPE html><title>notebook</title><h1>mine</h1>{''.join(frames)}", encoding="utf-8")
    opened = open_file(path)
    opened.page.wait_for_timeout(300)
    opened.page.locator("iframe").nth(1).scroll_into_view_if_needed()
    frame = opened.page.frame_locator("iframe").nth(0)
    frame.get_by_label("all kept").check()
    assert frame.locator(".over .hover").count() > 0
    assert opened.page.inner_text("h1") == "mine"
    assert opened.page.locator("body > *").count() == 3
    # The frame has no access to the notebook.
    inside = next(frame for frame in opened.page.frames if frame != opened.page.main_frame)
    reach_out = "() => { try { return parent.document.title } catch (error) { return error.name } }"
    assert inside.evaluate(reach_out) == "SecurityError"
    assert [url for url in opened.requests if not url.startswith(("file:", "about:"))] == []
    assert opened.complaints == []


def test_the_index_leads_to_the_pages(open_file, tmp_path):
    write_html_pages([role_explanation(), ALL["hostile question"]], tmp_path)
    opened = open_file(tmp_path / "index.html")
    check(opened)
    # A click on a heading sorts, another one turns the order.
    for heading, order in (("kept", ["0001.html", "0002.html"]), ("kept", ["0002.html", "0001.html"])):
        opened.page.locator("th", has_text=heading).get_by_role("button").last.click()
        assert [link.get_attribute("href") for link in opened.page.locator("a").all()] == order
    check(opened)
    opened.page.locator("a").nth(0).click()
    opened.page.wait_for_selector(".supports")
    assert opened.page.url.endswith("0002.html")
    assert opened.complaints == []


# --- Real data


def choose_by_size(explanations, size):
    """The smallest, the median and the largest one."""
    order = sorted(explanations, key=size)
    return [order[0], order[len(order) // 2], order[-1]]


def test_real_sentences(show, real_sentences):
    explanations = [item for item in real_sentences if item.kept_edges()]
    for explanation in choose_by_size(explanations, lambda item: len(item.tokens)):
        opened = show(explanation)
        check(opened)
        assert len(measure(opened.page, "[data-roving]:not(.narrow) .word text")) == len(explanation.tokens)
        if explanation.num_layers > 1:
            opened.page.locator("#layer-0").check()
        assert len(get_strong(opened.page)) == len(explanation.kept_edges(0))


def test_real_questions(show, real_questions):
    for explanation in choose_by_size(real_questions, lambda item: len(item.nodes)):
        opened = show(explanation)
        check(opened)
        nodes = opened.page.evaluate(
            "() => [...document.querySelectorAll('mark[data-nodes]')].flatMap((mark) => mark.dataset.nodes.split(' '))"
        )
        assert set(map(int, nodes)) == set(range(len(explanation.nodes)))
        opened.page.get_by_label("all kept").check()
        assert bool(get_links(opened.page)) == bool(explanation.kept_edges())
        check(opened)
