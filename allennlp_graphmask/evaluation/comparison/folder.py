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
    """Format as indented JSON with rounded numbers and without NaN."""
    return json.dumps(to_plain_json(value), indent=1, allow_nan=False) + "\n"


class ComparisonFolder:
    """
    The results of a comparison, interpreter by interpreter. `settings` are JSON of everything that results depend on, except for
    the interpreters; `overwrite` replaces what was computed with others.
    """

    def __init__(self, path: Path, settings: Dict[str, Any], *, overwrite: bool = False) -> None:
        self.path = path
        self._settings = to_plain_json(settings)
        self._finished = path / "interpreters"
        self._overwrite = overwrite

    def create(self) -> None:
        """
        Create the folder, or check that it is one of the same settings. Raise a `ConfigurationError` if it has results
        of other settings, which are removed instead with `overwrite`.
        """
        if self.path.exists() and not self.path.is_dir():
            raise ConfigurationError(
                f"{self.path} is not a folder. Name a folder for the results; it need not exist yet."
            )
        before, settings = self._read(self.path / "settings.json"), self._settings
        if before is not None and before != settings:
            differing = sorted(key for key in {*before, *settings} if before.get(key) != settings.get(key))
            if not self._overwrite:
                raise ConfigurationError(
                    f"{self.path} has results of a comparison with other settings: {', '.join(differing)} "
                    f"differ{'s' if len(differing) == 1 else ''}. Name another folder, or give --force to compute them again."
                )
            for stale in self._finished.glob("*.json"):
                stale.unlink()
        self._finished.mkdir(parents=True, exist_ok=True)
        write_atomically(self.path / "settings.json", to_json(settings))

    def _read(self, path: Path) -> Any:
        if not path.exists():
            return None
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ConfigurationError(
                f"{path} is not valid JSON ({error}): it was changed, or is not a result of this command. Remove it to compute it "
                "again."
            ) from error

    def _fingerprint(self, config: Dict[str, Any]) -> str:
        return fingerprint([self._settings, with_file_contents(config)])

    def find(self, label: str, config: Dict[str, Any]) -> Optional[Dict[str, Any]]:
        """
        Return the stored result of an interpreter; `None` if it is still to be computed. Raise a `ConfigurationError`
        if it was computed with another configuration.
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
        """Store a result; return it as it will be read again."""
        stored = to_plain_json({"config": config, "fingerprint": self._fingerprint(config), **result})
        write_atomically(self._finished / f"{label}.json", to_json(stored))
        return stored


def check_label(label: str) -> None:
    """Raise a `ConfigurationError` if an interpreter's label cannot be the name of a file."""
    if not _LABEL.match(label):
        raise ConfigurationError(
            f"{label!r} cannot name an interpreter's results: use letters, digits and . _ + - only, a letter or digit first."
        )
