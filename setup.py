"""
Build the distribution `allennlp-graphmask`.

Two things here are out of the ordinary, both because AllenNLP 2.10.1 is no longer maintained:

- `allennlp` is not among the dependencies, though nothing runs without it: its own pins (torch<1.13 and others) have no
  solution on Python 3.11 or later, so pip must install it with `--no-deps`. What it needs at run time is listed here instead.
- A `.pth` file is installed, for wheels and for editable installs alike, which starts the compatibility layer
  `allennlp_graphmask_compat` with the interpreter (docs/compatibility.md explains why it must be that early).
"""

import base64
import hashlib
import re
import shutil
import zipfile
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py
from setuptools.command.editable_wheel import editable_wheel

ROOT = Path(__file__).resolve().parent

PTH_NAME = "allennlp_graphmask_compat.pth"
# Python runs only lines of a `.pth` file that begin with `import`. The guard keeps an interpreter quiet if the compatibility
# layer has been deleted, or is not on its path.
PTH_LINE = (
    "import sys; exec('try:\\n    import allennlp_graphmask_compat\\nexcept ImportError:\\n    pass\\n"
    "else:\\n    allennlp_graphmask_compat.install()')\n"
)

# Copied into the package, so that `allennlp graphmask-init` has them where there is no checkout.
SHIPPED_FOLDERS = ("training_config", "fixtures")
SHIPPED_INTO = Path("allennlp_graphmask", "_shipped")

# What AllenNLP 2.10.1 imports when a command starts. It imports pytest too (allennlp.common.testing).
ALLENNLP_NEEDS = [
    "base58>=2.1.1",
    "cached-path>=1.5",
    "dill>=0.3.6",
    "filelock>=3.3",
    "h5py>=3.6",
    "huggingface-hub>=0.26",
    "jsonnet>=0.20",
    "lmdb>=1.2.1",
    "more-itertools>=8.12",
    # The first release without the hole in TransitionParser (https://github.com/nltk/nltk/pull/3631).
    "nltk>=3.10",
    "numpy>=2.0",
    "pydantic>=2.12",
    "pytest>=6.2.5",
    "requests>=2.28",
    "scikit-learn>=1.5",
    "scipy>=1.13",
    "spacy>=3.8",
    "tensorboardX>=2.6",
    "termcolor>=1.1",
    # Weights of strangers are read by torch.load(weights_only=True), of which earlier releases had holes.
    "torch>=2.10",
    "tqdm>=4.62",
    "transformers>=4.48",
]

# The HTML views.
VIEW_NEEDS = ["jinja2>=3.1", "markupsafe>=2.1"]

# `make test-browser`; the browser itself is Chromium as the system has it.
BROWSER_NEEDS = ["axe-playwright-python>=0.1.4", "playwright>=1.49"]

# allennlp_graphmask.pyg: models and convolutions of PyTorch Geometric.
PYG_NEEDS = ["torch-geometric>=2.6"]

# Explanations in Parquet files, and as pandas' tables.
TABLE_NEEDS = ["pandas>=2.2", "pyarrow>=17"]

# `make docs`. The next major releases of MkDocs drop plugins, and with them mkdocstrings.
DOCS_NEEDS = ["mkdocs>=1.6,<2", "mkdocs-material>=9.5,<10", "mkdocstrings[python]>=1"]
# `allennlp explain-corpus`: actors alone, nothing of Ray Data, Serve or Train.
CLUSTER_NEEDS = ["pyarrow>=17", "ray>=2.52"]

DEVELOPMENT_NEEDS = [
    *DOCS_NEEDS,
    *PYG_NEEDS,
    # captum: the tests compare our interpreters with its.
    "captum>=0.8",
    "conllu>=6",
    "hypothesis>=6",
    "jsonschema>=4",
    "mypy>=1.11",
    "packaging>=24",
    "pytest>=8",
    "pytest-xdist>=3",
    "ruff>=0.6",
    # tests/test_packaging.py builds wheels without downloading anything.
    "setuptools>=70.1",
    *TABLE_NEEDS,
]


def read_version() -> str:
    text = (ROOT / "allennlp_graphmask" / "version.py").read_text(encoding="utf-8")
    match = re.search(r'^VERSION = "([^"]+)"$', text, flags=re.MULTILINE)
    if match is None:
        raise RuntimeError('allennlp_graphmask/version.py has no line of the form VERSION = "1.2.3"')
    return match.group(1)


def is_shipped(path: Path) -> bool:
    """
    Whether a path under one of the shipped folders is content: not a cache, nor what an editor or a system left. The same rule as
    in allennlp_graphmask/commands/graphmask_init.py (a test compares what the two find).
    """
    names = path.relative_to(ROOT).parts
    hidden = any(name.startswith(".") and name != ".allennlp_plugins" for name in names)
    return path.is_file() and not hidden and "__pycache__" not in names


class BuildWithExtras(build_py):
    """Adds the `.pth` file, the configurations and the fixtures to what a wheel contains."""

    def run(self) -> None:
        if not self.editable_mode:
            # Modules that were deleted since the last build in this folder would be shipped again.
            for stale in ("allennlp_graphmask", "allennlp_graphmask_compat"):
                shutil.rmtree(Path(self.build_lib) / stale, ignore_errors=True)
        super().run()
        if not self.editable_mode:
            for source, target in self.extra_files().items():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)
            (Path(self.build_lib) / PTH_NAME).write_text(PTH_LINE, encoding="utf-8")

    def extra_files(self) -> dict[Path, Path]:
        return {
            source: Path(self.build_lib) / SHIPPED_INTO / source.relative_to(ROOT)
            for folder in SHIPPED_FOLDERS
            for source in sorted((ROOT / folder).rglob("*"))
            if is_shipped(source)
        }

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        outputs = super().get_outputs(include_bytecode)
        if self.editable_mode:
            return outputs
        return [*outputs, *map(str, self.extra_files().values()), str(Path(self.build_lib) / PTH_NAME)]


class EditableWheelWithPth(editable_wheel):
    """
    Adds the `.pth` file to the wheel that an editable install unpacks into `site-packages`. The finished wheel is rewritten by
    the rules of the wheel format, because setuptools offers no place for this.
    """

    def run(self) -> None:
        super().run()
        for wheel in Path(self.dist_dir).glob("allennlp_graphmask-*.whl"):
            add_to_wheel(wheel, PTH_NAME, PTH_LINE.encode())


def add_to_wheel(wheel: Path, name: str, content: bytes) -> None:
    """Add one file to a wheel and to its RECORD, by which pip later uninstalls it."""
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode("ascii")
    rewritten = wheel.with_name(wheel.name + ".rewritten")
    with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(rewritten, "w", zipfile.ZIP_DEFLATED) as new:
        if name in old.namelist():
            raise RuntimeError(f"{wheel.name} already contains {name}")
        new.writestr(name, content)
        for entry in old.infolist():
            data = old.read(entry)
            if entry.filename.endswith(".dist-info/RECORD"):
                data = f"{name},sha256={digest},{len(content)}\n".encode() + data
            new.writestr(entry, data)
    rewritten.replace(wheel)


setup(
    name="allennlp-graphmask",
    version=read_version(),
    description="Explains graph neural networks over text: an AllenNLP plugin with GraphMask and graph encoders",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    author="The allennlp_graphmask authors",
    url="https://arxiv.org/abs/2010.00577",
    license="Apache-2.0",
    keywords="graph neural networks, explanation, interpretability, AllenNLP, semantic roles, question answering",
    classifiers=[
        "Intended Audience :: Science/Research",
        "Operating System :: POSIX",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Programming Language :: Python :: 3.14",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Typing :: Typed",
    ],
    python_requires=">=3.11",
    # With this, an editable install adds the folder to the path. Without it setuptools would start a finder of its own with
    # every interpreter, which takes ten times as long as the compatibility layer.
    package_dir={"": "."},
    packages=find_packages(include=["allennlp_graphmask", "allennlp_graphmask.*", "allennlp_graphmask_compat"]),
    package_data={
        "allennlp_graphmask": [
            "py.typed",
            "**/*.json",
            "**/*.html",
            "**/*.css",
            "**/*.js",
            "pretrained/*.tar.gz",
            "pretrained/en-ewt-parser/**/*",
        ]
    },
    entry_points={"spacy_factories": ["graphmask_srl = allennlp_graphmask.spacy._component:create_component"]},
    install_requires=[*ALLENNLP_NEEDS, *VIEW_NEEDS],
    extras_require={
        "browser": BROWSER_NEEDS,
        "cluster": CLUSTER_NEEDS,
        "dev": DEVELOPMENT_NEEDS,
        # The reference has the parts for PyG, too.
        "docs": [*DOCS_NEEDS, *PYG_NEEDS],
        "plot": ["matplotlib>=3.8"],
        "pyg": PYG_NEEDS,
        "table": TABLE_NEEDS,
    },
    cmdclass={"build_py": BuildWithExtras, "editable_wheel": EditableWheelWithPth},
    zip_safe=False,
)
