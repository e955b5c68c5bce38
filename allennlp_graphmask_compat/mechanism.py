"""
How a patch acts on one AllenNLP module and on nothing else. No library is changed: a patched module gets its own view of
`torch`, `transformers` and so on, and all other modules keep the real one.
"""

from __future__ import annotations

import builtins
import functools
import importlib
from collections.abc import Callable, Mapping
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import allennlp_graphmask_compat
from allennlp_graphmask_compat.deferral import Deferred

APPLIED = "applied"
NOT_NEEDED = "not needed"
NOT_REACHED = "not reached"
NOT_INSTALLED = "not installed"
FAILED = "failed"


class Patch:
    """
    One reason why AllenNLP does not work as it is, and the fix.

    # Parameters

    name : `str`
    modules : `tuple[str, ...]`
        The AllenNLP modules that it acts on.
    reason : `str`
        What breaks without it, and with which versions.
    prepare : `Callable[[ModuleType], Mapping[str, Any]]`
        Given the module, returns the new values of some names; empty if the patch is not needed.
    before : `bool`, optional (default = `False`)
        For a module that cannot even be imported: `prepare` is called before the module's code runs, and its result is what the
        module's own `import` statements receive. Otherwise it is called after that, and its result replaces global names.
    library : `str`, optional (default = `None`)
        `prepare` is called when the modules first use this library, and returns their view of it.
    """

    def __init__(
        self,
        name: str,
        modules: tuple[str, ...],
        reason: str,
        prepare: Callable[[ModuleType], Mapping[str, Any]],
        *,
        before: bool = False,
        library: str | None = None,
    ) -> None:
        self.name = name
        self.modules = modules
        self.reason = reason
        self._prepare = prepare
        self._before = before
        self._library = library
        self._unsettled: list[ModuleType] = []
        self._states: dict[str, str] = {}

    @property
    def state(self) -> str:
        """
        What it did in this process: `"applied"`, `"not needed"` (the installed versions work without it), `"not reached"`
        (none of the modules has been imported, or has used the library), `"not installed"` (the compatibility layer is switched off, or was never
        installed), or `"failed: "` with the error.
        """
        states = list(self._states.values())
        failures = [state for state in states if state.startswith(FAILED)]
        if failures:
            return failures[0]
        if states:
            return APPLIED if APPLIED in states else NOT_NEEDED
        return NOT_REACHED if allennlp_graphmask_compat.is_installed() else NOT_INSTALLED

    def execute(self, module: ModuleType, run: Callable[[ModuleType], None]) -> None:
        """Run the code of `module` by calling `run`, with this patch around it."""
        if self._library is not None:
            library = self._library

            def load() -> Any:
                return self._try_to_prepare(module).get(library) or importlib.import_module(library)

            self._unsettled.append(module)
            _run_with_stand_ins(module, run, {library: Deferred(vars(module), library, load)})
        elif self._before:
            _run_with_stand_ins(module, run, self._try_to_prepare(module))
        else:
            run(module)
            vars(module).update(self._try_to_prepare(module))

    def settle(self) -> None:
        """Look whether it is needed in the modules that have been imported and have not used the library yet."""
        while self._unsettled:
            for value in list(vars(self._unsettled.pop()).values()):
                if isinstance(value, Deferred):
                    value.get()

    def _try_to_prepare(self, module: ModuleType) -> Mapping[str, Any]:
        try:
            prepared = self._prepare(module)
        except Exception as error:  # noqa: BLE001
            # Deliberately broad: whatever a library of unknown version raises while it is inspected, the module must behave as
            # it would without a patch. The error is kept for the report.
            self._states[module.__name__] = f"{FAILED}: {type(error).__name__}: {error}"
            return {}
        self._states[module.__name__] = APPLIED if prepared else NOT_NEEDED
        return prepared


class PatchingLoader:
    """
    Runs a module's code with its patches, and gives the module its own loader back, so that what reads it later (`inspect`,
    `pkgutil`, `importlib.resources`) finds the ordinary one.
    """

    def __init__(self, loader: Any, patches: list[Patch]) -> None:
        self._loader = loader
        self._patches = patches

    def create_module(self, spec: ModuleSpec) -> Any:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        run = self._loader.exec_module
        for patch in self._patches:
            run = functools.partial(patch.execute, run=run)
        run(module)

    def __getattr__(self, name: str) -> Any:  # get_code, get_source, get_data, is_package, ...
        return getattr(self._loader, name)


class View(ModuleType):
    """A module as one AllenNLP module sees it: everything is the original's but the overridden names."""

    def __init__(self, original: Any, **overrides: Any) -> None:
        super().__init__(original.__name__, original.__doc__)
        vars(self).update(overrides)
        self._original = original

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)

    def __dir__(self) -> list[str]:
        return sorted({*dir(self._original), *vars(self)})


class Absent(ModuleType):
    """
    Stands for a module that cannot be imported: reading any of its names raises, with the reason. Only its submodules,
    themselves absent, can be reached.
    """

    def __init__(self, name: str, message: str, **submodules: Absent) -> None:
        super().__init__(name)
        vars(self).update(submodules)
        self._message = message

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # Introspection (inspect, copy, doctest) must get the ordinary answer.
            raise AttributeError(name)
        raise ModuleNotFoundError(f"{self.__name__}.{name}: {self._message}", name=self.__name__.split(".")[0])


def _run_with_stand_ins(module: ModuleType, run: Callable[[ModuleType], None], stand_ins: Mapping[str, Any]) -> None:
    """
    Run the module's code with an `import` statement of its own. The interpreter takes `__import__` from the `__builtins__` of
    the importing module, so that nothing is put into `sys.modules` or into a library, where others would see it.
    """

    if not stand_ins:
        run(module)
        return
    # Of another patch of the same module, in whose `run` this one is.
    outer_builtins = vars(module).get("__builtins__", vars(builtins))
    import_elsewhere = outer_builtins["__import__"]

    def import_or_stand_in(
        name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0
    ) -> Any:
        if level == 0 and name in stand_ins:
            return stand_ins[name]
        library = stand_ins.get(name.partition(".")[0])
        if level == 0 and isinstance(library, Deferred):
            return library.find_submodule(name) if fromlist else library
        return import_elsewhere(name, globals, locals, fromlist, level)

    own_builtins = dict(vars(builtins), __import__=import_or_stand_in)
    vars(module)["__builtins__"] = own_builtins
    try:
        run(module)
    finally:
        # The module's functions hold on to `own_builtins`; from now on they import the ordinary modules.
        own_builtins["__import__"] = builtins.__import__
        vars(module)["__builtins__"] = outer_builtins
        for stand_in in stand_ins.values():
            if isinstance(stand_in, Deferred):
                stand_in.finish()
