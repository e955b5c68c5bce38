"""The documentation site, built strictly: a broken link between pages is an error of the build."""

import argparse
import html
import inspect
import re
from pathlib import Path
from typing import Any, Iterator

import pytest
from allennlp.commands import Subcommand
from allennlp.common import Registrable
from allennlp.common.plugins import import_plugins

from tests.docs.pages import ROOT, build_site
from tests.test_plugin import SNAPSHOT


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_site(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def entries(site: Path) -> dict[tuple[str, str], str]:
    """What the reference has of each registered name."""
    found = {}
    for page in (site / "reference").glob("*.html"):
        for section in re.split(r"(?=<h2)", page.read_text(encoding="utf-8"))[1:]:
            registry = re.match(r'<h2 id="[^"]*">(\w+)', section)
            for entry in re.split(r"(?=<h3)", section)[1:] if registry else ():
                if name := re.match(r'<h3 id="[^"]*"><code>([\w-]+)</code>', entry):
                    found[registry[1], name[1]] = html.unescape(re.sub(r"<[^>]+>", "", entry))
    return found


def test_every_registered_name_is_in_the_reference(entries: dict[tuple[str, str], str]) -> None:
    assert set(entries) == {(registry, name) for registry, names in SNAPSHOT.items() for name in names}


def parameters(registry: str, name: str) -> Iterator[str]:
    [base] = [one for one in Registrable._registry if one.__name__ == registry]
    registered: Any = base.by_name(name)
    if registry == "Subcommand":
        parser = argparse.ArgumentParser()
        subcommand: Subcommand = registered()
        for action in subcommand.add_subparser(parser.add_subparsers())._actions:
            yield from action.option_strings
        return
    constructor = registered.__init__
    if not getattr(constructor, "__module__", "").startswith("allennlp_graphmask"):
        return  # AllenNLP's
    for parameter in inspect.signature(constructor).parameters.values():
        if parameter.name != "self" and parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            yield parameter.name


def test_every_parameter_is_in_the_reference(entries: dict[tuple[str, str], str]) -> None:
    import_plugins()
    for registry, name in entries:
        missing = [
            one
            for one in parameters(registry, name)
            if not re.search(rf"(?<![\w-]){one}(?![\w-])", entries[registry, name])
        ]
        assert not missing, (registry, name)


def test_sections_of_docstrings_become_tables(site: Path) -> None:
    page = (site / "reference" / "interpreters.html").read_text(encoding="utf-8")
    assert re.search(r"<td>\s*<code>size_coefficient</code>\s*</td>\s*<td>\s*<code>.*float", page)
    for path in (site / "reference").glob("*.html"):
        assert "# Parameters" not in path.read_text(encoding="utf-8")


def test_pages_load_nothing_from_elsewhere(site: Path) -> None:
    loading = re.compile(r'<(?:script|img|iframe|link)\b[^>]*\b(?:src|href)="?(?:https?:)?//', re.IGNORECASE)
    for path in site.rglob("*.html"):
        assert not loading.search(path.read_text(encoding="utf-8")), path
    for path in site.rglob("*.css"):
        assert not re.search(r"(?:@import|url\()[\s\"']*(?:https?:)?//", path.read_text(encoding="utf-8")), path


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "SECURITY.md"])
def test_links_of_the_top_level(name: str) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", (ROOT / name).read_text(encoding="utf-8"))
    assert not [link for link in links if not (ROOT / link).exists()]
