"""
A browser, or a failure with the way to get one: what these tests check cannot be seen without. Only `make test-browser` runs
them.
"""

import dataclasses
import json
import lzma
import os
import shutil
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List

import pytest

from allennlp_graphmask.explanation.explanation import Explanation
from allennlp_graphmask.explanation.files import read_explanations
from allennlp_graphmask.views import render_html
from tests.data.real_data import DATA
from tests.test_end_to_end import REPOSITORY, allennlp

# Chromium looks for updates, and for Google's hosts, unless it is told not to. As root it runs without its sandbox only.
_ARGUMENTS = "--no-sandbox --disable-gpu --disable-background-networking --disable-component-update --disable-sync --no-first-run"
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def pytest_collection_modifyitems(items: List[Any]) -> None:
    for item in items:
        if "browser" in Path(item.fspath).parent.name:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    names = [os.environ["CHROMIUM"]] if os.environ.get("CHROMIUM") else _NAMES
    paths = list(filter(None, map(shutil.which, names)))
    if not paths:
        pytest.fail(
            f"No browser was found ({', '.join(names)}). On Debian: apt-get install chromium. A browser elsewhere: "
            "CHROMIUM=/path/to/chromium make test-browser.",
            pytrace=False,
        )
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError:
        pytest.fail("Playwright is missing: pip install -c constraints.txt -e '.[browser]'", pytrace=False)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=paths[0], args=_ARGUMENTS.split())
        yield browser
        browser.close()


@dataclasses.dataclass
class OpenPage:
    """A page in the browser, what it wrote to the console, and what it asked the network for."""

    page: Any
    complaints: List[str]
    requests: List[str]


@pytest.fixture()
def open_file(browser: Any) -> Iterator[Callable[..., OpenPage]]:
    """Opens a file from disk."""
    contexts = []

    def open_it(path: Path, **options: Any) -> OpenPage:
        contexts.append(browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options}))
        page = contexts[-1].new_page()
        page.set_default_timeout(20_000)
        opened = OpenPage(page, [], [])
        page.on("console", lambda message: opened.complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: opened.complaints.append(str(error)))
        page.on("request", lambda request: opened.requests.append(request.url))
        page.goto(path.as_uri())
        return opened

    yield open_it
    for context in contexts:
        context.close()


@pytest.fixture()
def show(open_file: Callable[..., OpenPage], tmp_path: Path) -> Callable[..., OpenPage]:
    """Writes the page of an explanation, or of several, and opens it."""

    def show_it(*explanations: Explanation, title: Any = None, **options: Any) -> OpenPage:
        path = tmp_path / "explanation.html"
        path.write_text(render_html(*explanations, title=title), encoding="utf-8")
        return open_file(path, **options)

    return show_it


# --- Explanations of real data, by models that are trained on little of it


def _read_data(folder: str, name: str) -> str:
    if not DATA.exists():
        pytest.skip("the environment variable GRAPHMASK_DATA, the folder of the real data, is not set")
    return lzma.decompress((DATA / folder / name).read_bytes()).decode("utf-8")


def _explain(
    folder: Path, config: str, inputs: str, variables: Dict[str, str], overrides: Dict[str, Any]
) -> List[Explanation]:
    """Trains a model and GraphMask on it for an epoch or two, and explains a file."""
    variables = {**variables, "GRAPHMASK_TARGET": "model/model.tar.gz"}
    schedules: Dict[str, Dict[str, Any]] = {
        "model": {"trainer.num_epochs": 2},
        "graphmask": {"trainer.num_epochs": 3, "model.epochs_per_layer": 1},
    }
    for name, schedule in schedules.items():
        path = REPOSITORY / "training_config" / f"{config}{'_graphmask' * (name == 'graphmask')}.jsonnet"
        settings = json.dumps({**overrides, **schedule})
        allennlp(folder, "train", str(path), "-s", name, "-o", settings, **variables)
    arguments = ("graphmask/model.tar.gz", inputs, "--use-dataset-reader", "--silent")
    allennlp(folder, "predict", *arguments, "--output-file", "explanations.jsonl", **variables)
    return list(read_explanations(folder / "explanations.jsonl"))


@pytest.fixture(scope="session")
def real_sentences(tmp_path_factory: pytest.TempPathFactory) -> List[Explanation]:
    """Of the English Web Treebank with PropBank's roles."""
    folder = tmp_path_factory.mktemp("ewt")
    for part, number in (("train", 300), ("dev", 40)):
        sentences = _read_data("propbank_ewt", f"ewt_{part}.conll09.xz").split("\n\n")[:number]
        (folder / f"{part}.conll09").write_text("\n\n".join(sentences) + "\n\n", encoding="utf-8")
    paths = {"train_data_path": "train.conll09", "validation_data_path": "dev.conll09"}
    return _explain(folder, "propbank/demo", "dev.conll09", {}, paths)


@pytest.fixture(scope="session")
def real_questions(tmp_path_factory: pytest.TempPathFactory) -> List[Explanation]:
    """Of Re-DocRED, in WikiHop's format."""
    folder = tmp_path_factory.mktemp("redocred")
    for part, number in (("train", 100), ("dev", 12)):
        questions = json.loads(_read_data("qa_wikihop_format", f"redocred_{part}.json.xz"))[:number]
        (folder / f"{part}.json").write_text(json.dumps(questions))
    variables = {"WIKIHOP_TRAIN": "train.json", "WIKIHOP_DEV": "dev.json"}
    return _explain(folder, "wikihop/small", "dev.json", variables, {})
