"""
A browser, or a failure that says how to get one: what these tests are about cannot be seen without. They are run by
`make test-browser` alone.
"""

import dataclasses
import json
import lzma
import os
import shutil
from pathlib import Path
from typing import Any, Dict, Iterator, List

import pytest

from allennlp_graphmask.explanation.explanation import Explanation
from allennlp_graphmask.explanation.files import read_explanations
from tests.test_end_to_end import REPOSITORY, run

# Chromium looks for updates, and for Google's hosts, unless it is told not to. As root it runs without its sandbox only.
_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def pytest_collection_modifyitems(items: List[Any]) -> None:
    for item in items:
        if "browser" in Path(item.fspath).parent.name:
            item.add_marker(pytest.mark.browser)


def browser_path() -> str:
    """The browser named by `CHROMIUM`, else one that is found on the path."""
    named = os.environ.get("CHROMIUM")
    for name in [named] if named else _NAMES:
        path = shutil.which(name)
        if path is not None:
            return path
    looked_for = f"CHROMIUM={named}" if named else ", ".join(_NAMES)
    pytest.fail(
        f"No browser was found ({looked_for}). On Debian: apt-get install chromium. A browser elsewhere: "
        "CHROMIUM=/path/to/chromium make test-browser.",
        pytrace=False,
    )


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    path = browser_path()
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError:
        pytest.fail("Playwright is missing: pip install -c constraints.txt -e '.[browser]'", pytrace=False)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=_ARGUMENTS)
        yield browser
        browser.close()


@dataclasses.dataclass
class OpenPage:
    """A page in the browser, what it wrote to the console, and what it asked the network for."""

    page: Any
    complaints: List[str]
    requests: List[str]


@pytest.fixture()
def open_file(browser):
    """Opens a file from disk."""
    contexts = []

    def open_it(path: Path, **options: Any) -> OpenPage:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        contexts.append(context)
        page = context.new_page()
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


# --- Explanations of real data, by models that are trained on little of it


def _data() -> Path:
    folder = os.environ.get("GRAPHMASK_DATA")
    if not folder:
        pytest.skip("the environment variable GRAPHMASK_DATA, the folder of the real data, is not set")
    return Path(folder)


def _explained(
    folder: Path, configs: str, name: str, inputs: str, environment: Dict[str, str], overrides: Dict[str, Any]
) -> List[Explanation]:
    """Trains a model and GraphMask on it for an epoch or two, and explains a file."""
    place = REPOSITORY / "training_config" / configs
    few = json.dumps({**overrides, "trainer.num_epochs": 2})
    run(["allennlp", "train", str(place / f"{name}.jsonnet"), "-s", "model", "-o", few], folder, environment)
    environment = {**environment, "GRAPHMASK_TARGET": "model/model.tar.gz"}
    schedule = json.dumps({**overrides, "trainer.num_epochs": 3, "model.epochs_per_layer": 1})
    config = str(place / f"{name}_graphmask.jsonnet")
    run(["allennlp", "train", config, "-s", "graphmask", "-o", schedule], folder, environment)
    command = ["allennlp", "predict", "graphmask/model.tar.gz", inputs, "--use-dataset-reader", "--silent"]
    run([*command, "--output-file", "explanations.jsonl"], folder, environment)
    return list(read_explanations(folder / "explanations.jsonl"))


@pytest.fixture(scope="session")
def real_sentences(tmp_path_factory) -> List[Explanation]:
    """Of the English Web Treebank with PropBank's roles."""
    data = _data() / "propbank_ewt"
    folder = tmp_path_factory.mktemp("ewt")
    for part, number in (("train", 300), ("dev", 40)):
        with lzma.open(data / f"ewt_{part}.conll09.xz", "rt", encoding="utf-8") as file:
            sentences = file.read().split("\n\n")[:number]
        (folder / f"{part}.conll09").write_text("\n\n".join(sentences) + "\n\n", encoding="utf-8")
    paths = {"train_data_path": "train.conll09", "validation_data_path": "dev.conll09"}
    return _explained(folder, "propbank", "demo", "dev.conll09", {}, paths)


@pytest.fixture(scope="session")
def real_questions(tmp_path_factory) -> List[Explanation]:
    """Of Re-DocRED, in WikiHop's format."""
    data = _data() / "qa_wikihop_format"
    folder = tmp_path_factory.mktemp("redocred")
    for part, number in (("train", 100), ("dev", 12)):
        with lzma.open(data / f"redocred_{part}.json.xz", "rt", encoding="utf-8") as file:
            questions = json.load(file)[:number]
        (folder / f"{part}.json").write_text(json.dumps(questions))
    variables = {"WIKIHOP_TRAIN": "train.json", "WIKIHOP_DEV": "dev.json"}
    return _explained(folder, "wikihop", "small", "dev.json", variables, {})
