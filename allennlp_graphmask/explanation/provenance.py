"""Fingerprints of what an explanation, or another result, was made from."""

import hashlib
import json
import os
from typing import Any, Optional


def fingerprint(value: Any) -> str:
    """Return the SHA-256 of a JSON value. The order of keys does not matter."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode("utf-8")).hexdigest()


def file_fingerprint(path: str) -> Optional[str]:
    """Return the SHA-256 of a file's content, or `None` if there is no such file."""
    if not os.path.isfile(path):
        return None
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def with_file_contents(settings: Any) -> Any:
    """
    Replace the paths of files in a JSON value by fingerprints of their content: strings, or lists of strings, under keys that
    end in `file`. Strings under other keys stay as they are, even if a file happens to have that name.
    """
    if isinstance(settings, dict):
        return {
            key: _content(value) if key.endswith("file") else with_file_contents(value)
            for key, value in settings.items()
        }
    if isinstance(settings, list):
        return [with_file_contents(item) for item in settings]
    return settings


def _content(value: Any) -> Any:
    if isinstance(value, list):
        return [_content(item) for item in value]
    content = file_fingerprint(value) if isinstance(value, str) else None
    return value if content is None else {"sha256": content}
