"""`allennlp graphmask-init DIR` copies the plugin's configurations and fixtures into a folder, for users without a checkout."""

import argparse
import filecmp
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from allennlp.commands.subcommand import Subcommand
from allennlp.common.checks import ConfigurationError

import allennlp_graphmask

SHIPPED_FOLDERS = ("training_config", "fixtures")
MAX_NAMES_IN_ERROR = 10


class CopiedFiles(NamedTuple):
    """
    What `copy_shipped_files` did, as paths relative to the target folder: `written` files, and files left `unchanged` because they
    had the right content already.
    """

    written: list[Path]
    unchanged: list[Path]


def find_shipped_root() -> Path:
    """
    Return the folder that holds `training_config/` and `fixtures/`: the copy inside an installed package, else the checkout that
    the package is imported from (an editable install).
    """
    package = Path(allennlp_graphmask.__file__).resolve().parent
    for root in (package / "_shipped", package.parent):
        if all((root / folder).is_dir() for folder in SHIPPED_FOLDERS):
            return root
    raise ConfigurationError(
        f"Neither {package / '_shipped'} nor {package.parent} has the folders {' and '.join(SHIPPED_FOLDERS)}: "
        "this installation of allennlp-graphmask is incomplete. Install it again."
    )


def find_shipped_files(root: Path) -> Iterator[Path]:
    """Yield the paths, relative to `root`, of all configurations and fixtures."""
    for folder in SHIPPED_FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            relative = path.relative_to(root)
            hidden = any(name.startswith(".") and name != ".allennlp_plugins" for name in relative.parts)
            if path.is_file() and not hidden and "__pycache__" not in relative.parts:
                yield relative


def copy_shipped_files(target: Path, *, overwrite: bool = False) -> CopiedFiles:
    """
    Copy the configurations and fixtures to the folder `target`, which is created if necessary. `overwrite` replaces
    files with another content, which are an error otherwise.

    All files are first copied to a hidden folder inside `target` and then moved to their places, so that no file is
    ever seen half-written. Nothing is written if one of them is in the way.
    """
    if target.exists() and not target.is_dir():
        raise ConfigurationError(f"{target} is not a folder. Name a folder to copy to; it need not exist yet.")
    root = find_shipped_root()
    written, unchanged, in_the_way = [], [], []
    for relative in find_shipped_files(root):
        destination = target / relative
        blocking = _find_blocking_path(target, relative)
        if blocking is not None:
            raise ConfigurationError(
                f"{blocking} is in the way of {destination}: it is not a "
                f"{'file' if blocking == destination else 'folder'}. Move it or name another folder."
            )
        if not destination.exists():
            written.append(relative)
        elif filecmp.cmp(root / relative, destination, shallow=False):
            unchanged.append(relative)
        else:
            written.append(relative)
            in_the_way.append(destination)
    if in_the_way and not overwrite:
        names = [str(path) for path in in_the_way[:MAX_NAMES_IN_ERROR]]
        if len(in_the_way) > MAX_NAMES_IN_ERROR:
            names.append(f"and {len(in_the_way) - MAX_NAMES_IN_ERROR} more")
        raise ConfigurationError(
            f"{len(in_the_way)} of the files to be written to {target} exist with another content: {', '.join(names)}. Nothing was "
            "written. Give --force to replace them, or name another folder."
        )

    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target, prefix=".graphmask-init-") as staging:
        for relative in written:
            staged = Path(staging, relative)
            staged.parent.mkdir(parents=True, exist_ok=True)
            # Not copy2: the owner of the new files must be able to edit them, whatever the installed ones allow.
            shutil.copyfile(root / relative, staged)
        for relative in written:
            destination = target / relative
            destination.parent.mkdir(parents=True, exist_ok=True)
            os.replace(Path(staging, relative), destination)
    return CopiedFiles(written, unchanged)


def _find_blocking_path(target: Path, relative: Path) -> Path | None:
    """Return the first part of the path that exists and is not a folder (or, at the end of the path, not a file)."""
    for parent in reversed(relative.parents[:-1]):
        if (target / parent).exists() and not (target / parent).is_dir():
            return target / parent
    destination = target / relative
    return destination if destination.exists() and not destination.is_file() else None


@Subcommand.register("graphmask-init")
class GraphMaskInit(Subcommand):
    """Registered as a `Subcommand` with name "graphmask-init"."""

    def add_subparser(self, parser: Any) -> argparse.ArgumentParser:
        description = "Copy the configurations and fixtures of allennlp_graphmask to a folder."
        subparser = parser.add_parser(self.name, description=description, help=description)
        subparser.add_argument("directory", type=Path, metavar="DIR", help="the folder to copy to")
        subparser.add_argument(
            "--force", action="store_true", help="replace files that exist there with another content"
        )
        subparser.set_defaults(func=copy_for_arguments)
        return subparser


def copy_for_arguments(args: argparse.Namespace) -> None:
    copied = copy_shipped_files(args.directory, overwrite=args.force)
    for relative in copied.written:
        print(f"wrote {args.directory / relative}")
    print(f"{len(copied.written)} files written to {args.directory}, {len(copied.unchanged)} were there already.")
    print(
        f"The configurations name their data relative to that folder. Next:\n  cd {args.directory}\n"
        "  allennlp train training_config/propbank/demo.jsonnet -s demo_output/model"
    )
