"""
The compatibility layer: lets AllenNLP 2.10.1 run on current releases of its libraries, and find the plugin
`allennlp_graphmask`.

Every `allennlp` command imports all of AllenNLP before it imports any plugin, so the layer must be in effect earlier: a `.pth`
file in `site-packages` calls `install()` when the interpreter starts. That only puts one finder on `sys.meta_path`, which acts
on the AllenNLP modules named in `patches.py` and on nothing else; even the patches are loaded only when AllenNLP is.

`ALLENNLP_GRAPHMASK_COMPAT=0` in the environment switches it off; `patches_in_effect()` reports what was done.
docs/compatibility.md describes every patch.

Every Python process of the environment imports this file, so it imports nothing that is not loaded anyway.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # Only type checkers take this branch: `typing` would cost every process an import.
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

    from allennlp_graphmask_compat.mechanism import Patch

__all__ = ["SWITCH", "install", "is_installed", "is_switched_off", "patches_in_effect", "uninstall"]

SWITCH = "ALLENNLP_GRAPHMASK_COMPAT"


class _Finder:
    """Finds a patched AllenNLP module as the other finders do, and has its code run by the patch's loader."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name.partition(".")[0] not in ("allennlp", "allennlp_graphmask"):
            return None
        from allennlp_graphmask_compat import mechanism, patches

        if name not in patches.PATCHES_BY_MODULE:
            return None
        # Those before it have been asked, and one of them may be asking now, as a coverage tool's does.
        for finder in sys.meta_path[sys.meta_path.index(self) + 1 :]:
            if not hasattr(finder, "find_spec"):
                continue
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                if spec.loader is not None:
                    # Not of the type `Loader`, but it has all that the import system uses.
                    spec.loader = mechanism.PatchingLoader(  # type: ignore[assignment]
                        spec.loader, patches.PATCHES_BY_MODULE[name]
                    )
                return spec
        return None


def is_switched_off() -> bool:
    """Whether the environment variable named by `SWITCH` switches the compatibility layer off."""
    return os.environ.get(SWITCH, "").strip().lower() in ("0", "off", "false", "no")


def is_installed() -> bool:
    return any(isinstance(finder, _Finder) for finder in sys.meta_path)


def install() -> None:
    """Put the layer in effect for the AllenNLP modules imported from now on. Calling it again changes nothing."""
    if not is_switched_off() and not is_installed():
        sys.meta_path.insert(0, _Finder())


def uninstall() -> None:
    """Take the layer out of effect for the modules imported from now on; earlier ones keep their patches."""
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, _Finder)]


def patches_in_effect() -> list[Patch]:
    """Return all patches in a fixed order, with `name`, `reason`, `modules` and their `state` in this process."""
    from allennlp_graphmask_compat import patches

    return patches.PATCHES
