"""
What `mkdocs build` needs beside mkdocs.yml: pages of the reference, made from the registries and their docstrings, the files of
the top level that are pages too, and AllenNLP's form of docstrings in the one that mkdocstrings reads.
"""

import argparse
import importlib
import re
from pathlib import Path
from typing import Any, Iterator, List

import griffe
from allennlp.common import Registrable
from allennlp.common.plugins import import_plugins
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "allennlp_graphmask"

#: The pages of the reference, with the registries on each.
REGISTRIES = {
    "data": ["DatasetReader", "Tokenizer", "CoreferenceResolver", "TokenEmbedder"],
    "models": ["Model", "GraphEncoder"],
    "interpreters": ["Interpreter"],
    "graphmask": ["Masker", "EdgeFeature", "Objective", "Divergence"],
    "metrics": ["Metric"],
    "predictors": ["Predictor", "View"],
    "training": ["Checkpointer", "TrainerCallback"],
    "commands": ["Subcommand"],
}
#: The functions and classes that are imported and not registered.
PUBLIC = "explanation graph focus views evaluation.comparison evaluation.metrics report testing pyg".split()
#: Links to these lead out of docs/; they become pages.
TOP_LEVEL = ("CONTRIBUTING.md", "SECURITY.md")


def registered() -> dict[str, tuple[Any, dict[str, Any]]]:
    """Return for each registry its class and, by name, the classes of this package in it."""
    import_plugins()
    found = {}
    for base, registry in Registrable._registry.items():
        ours = {name: one for name, (one, _) in sorted(registry.items()) if one.__module__.startswith(PACKAGE)}
        if ours:
            found[base.__name__] = (base, ours)
    if unlisted := set(found) - {base for bases in REGISTRIES.values() for base in bases}:
        raise ValueError(f"docs/hooks.py: REGISTRIES names no page for {', '.join(sorted(unlisted))}.")
    return found


def directive(one: Any, level: int, members: bool) -> str:
    """Return the line that mkdocstrings replaces by what the docstring of a class or function has."""
    options = f"{{heading_level: {level}, members: {'null' if members else 'false'}}}"
    return f"::: {one.__module__}.{one.__qualname__}\n    options: {options}\n"


def quantities(metric: Any) -> Iterator[str]:
    """Yield a table of what a metric of attributions measures."""
    if getattr(metric, "quantities", None):
        yield "| quantity | range | better | best | |\n|---|---|---|---|---|"
        for name, one in metric.quantities.items():
            cells = (f"`{name}`", f"{one.lowest:g} to {one.highest:g}", one.direction, f"{one.best:g}", one.meaning)
            yield f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"
        yield ""


def registry_page(title: str, found: dict[str, tuple[Any, dict[str, Any]]]) -> str:
    """Return a page of the reference with every registered name."""
    lines = [f"# Reference: {title}\n"]
    subparsers = argparse.ArgumentParser(prog="allennlp").add_subparsers()
    for registry in REGISTRIES[title]:
        base, classes = found[registry]
        lines.append(f"## {registry}\n")
        if base.__module__.startswith(PACKAGE):
            lines.append(directive(base, 3, members=True))
        for name, one in classes.items():
            lines.append(f"### `{name}`\n")
            if registry == "Subcommand":
                lines.append(f"```text\n{one().add_subparser(subparsers).format_help()}```\n")
            else:
                lines += [directive(one, 4, members=False), *quantities(one)]
    return "\n".join(lines)


def public_page() -> str:
    """Return the page of what is imported from Python."""
    lines = ["# Reference: Python\n"]
    for name in PUBLIC:
        module = importlib.import_module(f"{PACKAGE}.{name}")
        lines.append(f"## {module.__name__}\n")
        names = getattr(module, "__all__", [key for key in vars(module) if not key.startswith("_")])
        for one in (getattr(module, key) for key in names):
            if getattr(one, "__module__", "").startswith(module.__name__) and getattr(one, "__doc__", None):
                lines.append(directive(one, 3, members=True))
    return "\n".join(lines)


def on_files(files: Files, config: MkDocsConfig) -> None:
    """Add the pages that are not in docs/."""
    found = registered()
    pages = {f"reference/{title}.md": registry_page(title, found) for title in REGISTRIES}
    pages["reference/python.md"] = public_page()
    pages |= {name: (ROOT / name).read_text(encoding="utf-8").replace("](docs/", "](") for name in TOP_LEVEL}
    for path, content in pages.items():
        files.append(File.generated(config, path, content=content))


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Let links to files of the top level lead to their pages."""
    return re.sub(rf"\]\(((?:\.\./)*)\.\./({'|'.join(map(re.escape, TOP_LEVEL))})", r"](\1\2", markdown)


class MarkdownSections(griffe.Extension):
    """Turns the sections `# Parameters`, `# Returns` and `# Raises` of docstrings into what Google's form has for them."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrite a docstring."""
        if obj.docstring:
            obj.docstring.value = "\n".join(convert(obj.docstring.value.splitlines()))


def convert(lines: List[str]) -> Iterator[str]:
    """Yield the lines of a docstring, with parameters as items and other headings in bold."""
    section, items = "", False
    for line in lines:
        if heading := re.fullmatch(r"# (\w+)", line):
            section, items = heading[1], False
            yield "Parameters:" if section == "Parameters" else f"**{section}**"
        elif section != "Parameters":
            yield line
        elif item := re.fullmatch(r"([\w*]+(?:, [\w*]+)*) : (.+)", line):
            items = True
            *others, last = item[1].split(", ")
            kind = item[2].split(", optional")[0].replace("`", "")
            yield from (f"    {name} ({kind}): As `{last}`." for name in others)
            yield f"    {last} ({kind}): "
        elif items or line.strip():  # no empty line before the first
            yield f"    {line}" if line.strip() else ""
