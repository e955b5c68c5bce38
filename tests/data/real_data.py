"""Real data, in the folder that the environment variable GRAPHMASK_DATA names. Tests that need it are skipped without it."""

import json
import lzma
import os
from pathlib import Path
from typing import Any, List

import pytest
import spacy

DATA = Path(os.environ.get("GRAPHMASK_DATA", "nowhere"))
needs_data = pytest.mark.skipif(
    "GRAPHMASK_DATA" not in os.environ,
    reason="the environment variable GRAPHMASK_DATA, the folder of the real data, is not set",
)


def read_questions(name: str) -> List[Any]:
    content = (DATA / name).read_bytes()
    return json.loads(lzma.decompress(content) if name.endswith(".xz") else content)


def title_pipeline(questions: List[Any]) -> spacy.language.Language:
    """Instead of a trained pipeline, which would have to be downloaded: it finds the titles of the paragraphs."""
    pipeline = spacy.blank("en")
    ruler = pipeline.add_pipe("entity_ruler", config={"phrase_matcher_attr": "LOWER"})
    titles = {title.partition(" (")[0] for question in questions for title, _ in question["context"]}
    ruler.add_patterns([{"label": "TITLE", "pattern": title} for title in sorted(titles)])  # type: ignore[attr-defined]
    return pipeline
