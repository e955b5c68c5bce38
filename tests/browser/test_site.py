"""The documentation site in a real browser."""

import functools
import http.server
import threading
from typing import Any, Iterator

import pytest

from tests.docs.pages import build_site

PAGES = ("index", "tutorials/sentences", "extending", "reference/interpreters", "results/interpreters")


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the site is served; from a disk its search does not work."""
    handler = functools.partial(QuietHandler, directory=build_site(tmp_path_factory.mktemp("site")))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1400])
@pytest.mark.parametrize("name", PAGES)
def test_pages_fit_and_are_accessible(browser: Any, address: str, name: str, width: int, scheme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page, requests, complaints = context.new_page(), [], []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.goto(f"{address}/{name}.html", wait_until="networkidle")
    violations = Axe().run(page).response["violations"]
    serious = [(one["id"], one["nodes"][0]["html"]) for one in violations if one["impact"] in ("serious", "critical")]
    assert serious == [] and complaints == []
    assert not [url for url in requests if not url.startswith((address, "data:"))]
    assert page.evaluate("document.documentElement.scrollWidth") == width
    context.close()


def test_the_search_finds_a_registered_name(browser: Any, address: str) -> None:
    page = browser.new_page()
    page.goto(f"{address}/index.html", wait_until="networkidle")
    page.keyboard.press("s")
    page.keyboard.type("gnn_explainer")
    page.wait_for_selector(
        ".md-search-result__link[href*='reference/interpreters.html']", state="attached", timeout=20_000
    )
    page.close()
