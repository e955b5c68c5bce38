"""The folder of a comparison: what is finished is stored, and is not computed again for equal settings."""

import json
import re
from pathlib import Path
from typing import Any, Dict, Optional

from allennlp.common.checks import ConfigurationError

from allennlp_graphmask.explanation.files import write_atomically
from allennlp_graphmask.explanation.provenance import fingerprint, with_file_contents
from allennlp_graphmask.explanation.serialization import to_plain_json

_LABEL = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.+-]*$")


def to_json(value: Any) -> str:
    """With numbers rounded, indented, and no NaN."""
    return json.dumps(to_plain_json(value), indent=1, allow_nan=False) + "\n"


class ComparisonFolder:
    """
    The results of a comparison, interpreter by interpreter.

    # Parameters

    path : `Path`
    settings : `Dict[str, Any]`
        JSON of all that results depend on, but for the interpreters.
    overwrite : `bool`, optional (default = `False`)
        Forgets what was computed with other settings.

    # Raises

    `ConfigurationError` if the folder has results of other settings.
    """

    def __init__(self, path: Path, settings: Dict[str, Any], *, overwrite: bool = False) -> None:
        if path.exists() and not path.is_dir():
            raise ConfigurationError(
                f"{path} is not a folder. Name a folder for the results; it need not exist yet."
            )
        self.path = path
        self._settings = settings
        self._finished = path / "interpreters"
        self._overwrite = overwrite
        before = self._read(path / "settings.json")
        if before is not None and before != to_plain_json(settings):
            differing = sorted(
                key for key in {*before, *settings} if before.get(key) != to_plain_json(settings.get(key))
            )
            if not overwrite:
                raise ConfigurationError(
                    f"{path} has results of a comparison with other settings: {', '.join(differing)} "
                    f"differ{'s' if len(differing) == 1 else ''}. Name another folder, or give --force to compute them again."
                )
            for stale in self._finished.glob("*.json"):
                stale.unlink()
        self._finished.mkdir(parents=True, exist_ok=True)
        write_atomically(path / "settings.json", to_json(settings))

    def _read(self, path: Path) -> Any:
        if not path.exists():
            return None
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ConfigurationError(
                f"{path} is no JSON ({error}): it was changed, or is no result of this command. Remove it to compute it again."
            ) from error

    def _fingerprint(self, config: Dict[str, Any]) -> str:
        return fingerprint([to_plain_json(self._settings), with_file_contents(config)])

    def finished(self, label: str, config: Dict[str, Any]) -> Optional[Dict[str, Any]]:
        """
        What is stored of an interpreter; `None` if it is still to be judged.

        # Raises

        `ConfigurationError` if it was computed with another configuration.
        """
        stored = self._read(self._finished / f"{label}.json")
        if stored is None or stored["fingerprint"] == self._fingerprint(config):
            return stored
        if self._overwrite:
            return None
        raise ConfigurationError(
            f"{self.path} has results of an interpreter '{label}' with another configuration, {json.dumps(stored['config'])} instead "
            f"of {json.dumps(config)} (or the content of a file that it names). Give it another name, name another folder, or give "
            "--force to compute it again."
        )

    def store(self, label: str, config: Dict[str, Any], result: Dict[str, Any]) -> Dict[str, Any]:
        """Keeps a result; gives it as it will be read again."""
        stored = to_plain_json({"config": config, "fingerprint": self._fingerprint(config), **result})
        write_atomically(self._finished / f"{label}.json", to_json(stored))
        return stored


def check_label(label: str) -> None:
    """
    # Raises

    `ConfigurationError` if an interpreter's name is not fit for a file.
    """
    if not _LABEL.match(label):
        raise ConfigurationError(
            f"{label!r} is no name for an interpreter's results: use letters, digits and . _ + - only, a letter or digit first."
        )
