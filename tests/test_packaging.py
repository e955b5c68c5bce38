"""Wheels and editable installs: built and installed into an environment made here, without downloading anything."""

import base64
import hashlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest
import setuptools
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from allennlp_graphmask.commands.graphmask_init import find_shipped_files
from allennlp_graphmask.version import VERSION

ROOT = Path(__file__).resolve().parents[1]
PTH_NAME = "allennlp_graphmask_compat.pth"

pytestmark = pytest.mark.skipif(
    Version(setuptools.__version__) < Version("70.1"),
    reason=f"setuptools {setuptools.__version__} cannot build wheels by itself: pip install -e '.[dev]'",
)


def run(*command: object, cwd: Path, expected_status: int = 0) -> str:
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("PYTHONPATH", "ALLENNLP_GRAPHMASK_COMPAT") and not name.startswith("PIP_")
    }
    finished = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**environment, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PIP_CONFIG_FILE": os.devnull},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    assert finished.returncode == expected_status, finished.stdout
    return finished.stdout


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the files that a build reads: building writes beside the sources."""
    copy = tmp_path_factory.mktemp("sources")
    for name in ["setup.py", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE"]:
        shutil.copy(ROOT / name, copy)
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ["allennlp_graphmask", "allennlp_graphmask_compat", "training_config", "fixtures"]:
        shutil.copytree(ROOT / name, copy / name, ignore=ignored)
    return copy


@pytest.fixture(scope="module")
def wheel(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    # Left by a build before the last module was deleted.
    stale = sources / "build" / "lib" / "allennlp_graphmask" / "deleted.py"
    stale.parent.mkdir(parents=True)
    stale.write_text("")
    command = f"from setuptools import build_meta; build_meta.build_wheel({str(folder)!r})"
    run(sys.executable, "-c", command, cwd=sources)
    [path] = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def metadata(wheel: Path):
    with zipfile.ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return Parser().parsestr(archive.read(name).decode("utf-8"))


class Environment:
    """
    A Python environment of its own with the libraries of the environment that runs the tests, except for this package, in case it
    is installed there, and for its `.pth` files: only what is installed here starts with the interpreter.
    """

    def __init__(self, folder: Path) -> None:
        run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder.parent)
        self.folder = folder
        self.python = folder / "bin" / "python"
        self.site_packages = Path(sysconfig.get_path("purelib", "venv", {"base": str(folder)}))
        libraries = folder / "borrowed"
        libraries.mkdir()
        for path in Path(sysconfig.get_path("purelib")).iterdir():
            if not path.name.startswith("allennlp_graphmask") and path.suffix != ".pth":
                (libraries / path.name).symlink_to(path)
        self.borrow = self.site_packages / "borrowed.pth"
        self.borrow.write_text(f"{libraries}\n", encoding="utf-8")

    def pip(self, *arguments: object) -> None:
        run(sys.executable, "-m", "pip", "--python", self.python, *arguments, cwd=self.folder)

    def run(self, *arguments: object, expected_status: int = 0) -> str:
        empty = self.folder / "empty"
        empty.mkdir(exist_ok=True)
        return run(self.python, *arguments, cwd=empty, expected_status=expected_status)

    def installed_names(self) -> list[str]:
        return sorted(path.name for path in self.site_packages.iterdir() if "graphmask" in path.name)

    def layer_is_installed(self) -> bool:
        answer = self.run(
            "-c", "import sys; m = sys.modules.get('allennlp_graphmask_compat'); print(bool(m and m.is_installed()))"
        )
        assert answer in ("True\n", "False\n"), f"the interpreter does not start quietly: {answer}"
        return answer == "True\n"


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    return Environment(tmp_path / "environment")


def test_wheel_contains_modules_types_and_what_init_copies(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    modules = {
        path.relative_to(ROOT).as_posix()
        for package in ("allennlp_graphmask", "allennlp_graphmask_compat")
        for pattern in ("*.py", "*.html", "*.css", "*.js")
        for path in (ROOT / package).rglob(pattern)
    }
    assert modules <= names
    assert "allennlp_graphmask/py.typed" in names
    prefix = "allennlp_graphmask/_shipped/"
    shipped = {name.removeprefix(prefix) for name in names if name.startswith(prefix)}
    assert shipped == {path.as_posix() for path in find_shipped_files(ROOT)}
    assert "allennlp_graphmask/deleted.py" not in names
    assert {name.split("/")[0] for name in names} == {
        "allennlp_graphmask",
        "allennlp_graphmask_compat",
        PTH_NAME,
        f"allennlp_graphmask-{VERSION}.dist-info",
    }


def test_wheel_from_an_editable_build_records_the_pth_file(sources: Path, wheel: Path, tmp_path: Path) -> None:
    command = f"from setuptools import build_meta; build_meta.build_editable({str(tmp_path)!r})"
    run(sys.executable, "-c", command, cwd=sources)
    [editable] = tmp_path.glob("*.whl")
    lines = []
    for path in (editable, wheel):
        with zipfile.ZipFile(path) as archive:
            assert archive.testzip() is None
            content = archive.read(PTH_NAME)
            [record] = [name for name in archive.namelist() if name.endswith("/RECORD")]
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            assert f"{PTH_NAME},sha256={digest},{len(content)}" in archive.read(record).decode().splitlines()
        lines.append(content)
    assert lines[0] == lines[1]
    # Python runs only such lines of a `.pth` file; it takes other lines for folders.
    assert re.fullmatch(rb"import [^\n]+\n", lines[0])


def test_wheel_works_in_an_environment_and_leaves_it_clean(environment: Environment, wheel: Path) -> None:
    environment.pip("install", "--quiet", "--no-index", "--no-deps", wheel)
    assert PTH_NAME in environment.installed_names()
    assert environment.layer_is_installed()

    target = environment.folder / "copied"
    output = environment.run("-m", "allennlp", "graphmask-init", target)
    copied = {path.relative_to(target) for path in target.rglob("*") if path.is_file()}
    assert copied == set(find_shipped_files(ROOT))
    assert f"{len(copied)} files written to {target}" in output
    for relative in copied:
        assert (target / relative).read_bytes() == (ROOT / relative).read_bytes()

    environment.pip("uninstall", "--quiet", "--yes", "allennlp-graphmask")
    assert environment.installed_names() == []
    assert not environment.layer_is_installed()


def test_editable_install_starts_the_layer_and_is_uninstalled_without_a_trace(
    environment: Environment, sources: Path
) -> None:
    environment.pip("install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--editable", sources)
    assert PTH_NAME in environment.installed_names()
    assert environment.layer_is_installed()
    origin = environment.run("-c", "import allennlp_graphmask_compat as layer; print(layer.__file__)")
    assert Path(origin.strip()).is_relative_to(sources)

    environment.pip("uninstall", "--quiet", "--yes", "allennlp-graphmask")
    assert environment.installed_names() == []
    assert not environment.layer_is_installed()


def test_pth_file_without_its_module_is_silent(environment: Environment, wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extract(PTH_NAME, environment.site_packages)
    assert not environment.layer_is_installed()


def test_without_allennlp_the_package_says_how_to_install_it(environment: Environment, wheel: Path) -> None:
    environment.borrow.unlink()
    environment.pip("install", "--quiet", "--no-index", "--no-deps", wheel)
    output = environment.run("-c", "import allennlp_graphmask", expected_status=1)
    assert "ModuleNotFoundError" in output
    assert "pip install --no-deps allennlp==2.10.1 fairscale==0.4.13" in output


def test_metadata(metadata) -> None:
    assert metadata["Name"] == "allennlp-graphmask"
    assert metadata["Version"] == VERSION
    assert metadata["Requires-Python"] == ">=3.11"
    assert "Apache-2.0" in (metadata["License-Expression"] or metadata["License"])
    assert metadata["Author"] == "The allennlp_graphmask authors"
    assert metadata["Home-page"] == "https://arxiv.org/abs/2010.00577"
    # Its own pins have no solution on current Python: with it as a dependency this package could not be installed.
    assert "allennlp" not in {Requirement(line).name for line in metadata.get_all("Requires-Dist")}
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {VERSION}\n" in citation


def test_constraints_pin_a_fitting_version_of_every_requirement(metadata) -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    versions = {canonicalize_name(name): version for name, version in pinned.items()}
    requirements = [Requirement(line) for line in metadata.get_all("Requires-Dist")]
    assert versions["torch"] == "2.13.0"
    for requirement in [*requirements, Requirement("allennlp==2.10.1"), Requirement("fairscale==0.4.13")]:
        if canonicalize_name(requirement.name) == "setuptools":
            continue  # `pip freeze` does not print it.
        assert versions[canonicalize_name(requirement.name)] in requirement.specifier, requirement
    # A version of one machine's build could not be installed elsewhere.
    assert not [version for version in versions.values() if "+" in version]
