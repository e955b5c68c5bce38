"""
How a patch acts on one AllenNLP module and on nothing else. Not one library is changed: a patched module gets
its own view of `torch`, `transformers` and so on, and everybody else keeps the real one.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Mapping
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, NamedTuple

APPLIED = "applied"
NOT_NEEDED = "not needed"
NOT_REACHED = "not reached"
NOT_INSTALLED = "not installed"
FAILED = "failed"


class PatchReport(NamedTuple):
    """
    What one patch did in this process.

    # Parameters

    name : `str`
    reason : `str`
        What breaks without the patch, and with which versions.
    modules : `tuple[str, ...]`
        The AllenNLP modules it acts on.
    state : `str`
        One of `"applied"`, `"not needed"` (the installed versions work without it), `"not reached"` (this
        process has imported none of the modules), `"not installed"` (the bridge is switched off, or was
        never installed), or `"failed: "` with the error.
    """

    name: str
    reason: str
    modules: tuple[str, ...]
    state: str


class Patch:
    """
    One reason for which AllenNLP does not work as it is, and the mend.

    # Parameters

    name : `str`
        What the patch is called in reports.
    modules : `tuple[str, ...]`
        The AllenNLP modules that it acts on.
    reason : `str`
        What breaks without it, and with which versions.
    imports : `Callable[[], Mapping[str, Any]]`, optional
        For a module that cannot even be imported. Gives, by name, what the module's own `import` statements
        receive while its code runs; empty if the patch is not needed.
    names : `Callable[[ModuleType], Mapping[str, Any]]`, optional
        For a module that can be imported but fails in use. Given the module after its code has run, gives the
        new values of its global names; empty if the patch is not needed.
    """

    def __init__(
        self,
        name: str,
        modules: tuple[str, ...],
        reason: str,
        *,
        imports: Callable[[], Mapping[str, Any]] | None = None,
        names: Callable[[ModuleType], Mapping[str, Any]] | None = None,
    ) -> None:
        self.name = name
        self.modules = modules
        self.reason = reason
        self._imports = imports
        self._names = names
        self._states: dict[str, str] = {}

    def execute(self, module: ModuleType, run: Callable[[ModuleType], None]) -> None:
        """
        Runs the code of `module` by calling `run`, with this patch around it.
        """
        stand_ins: Mapping[str, Any] = {}
        if self._imports is not None:
            stand_ins = self._prepare(module, self._imports)
        if stand_ins:
            _run_with_stand_ins(module, run, stand_ins)
        else:
            run(module)
        if self._names is not None:
            names = self._names
            vars(module).update(self._prepare(module, lambda: names(module)))

    def report(self, installed: bool) -> PatchReport:
        states = list(self._states.values())
        failures = [state for state in states if state.startswith(FAILED)]
        if failures:
            state = failures[0]
        elif APPLIED in states:
            state = APPLIED
        elif states:
            state = NOT_NEEDED
        else:
            state = NOT_REACHED if installed else NOT_INSTALLED
        return PatchReport(self.name, self.reason, self.modules, state)

    def _prepare(self, module: ModuleType, prepare: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
        try:
            prepared = prepare()
        except Exception as error:  # noqa: BLE001
            # Deliberately broad: whatever a library of unknown version raises while we look at it, the module
            # must behave as it would without us. The error is kept for the report.
            self._states[module.__name__] = f"{FAILED}: {type(error).__name__}: {error}"
            return {}
        self._states[module.__name__] = APPLIED if prepared else NOT_NEEDED
        return prepared


class PatchingLoader:
    """
    Runs a module's code with its patch, and gives the module its own loader back, so that what reads it later
    (`inspect`, `pkgutil`, `importlib.resources`) meets the ordinary one.
    """

    def __init__(self, loader: Any, patch: Patch) -> None:
        self._loader = loader
        self._patch = patch

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._patch.execute(module, self._loader.exec_module)

    def __getattr__(self, name: str) -> Any:  # get_code, get_source, get_data, is_package, ...
        return getattr(self._loader, name)


class View(ModuleType):
    """
    A module as one AllenNLP module sees it: everything is the original's, but for the overridden names.
    """

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
    Stands for a module that cannot be imported: whatever is asked of it raises, saying why. Only its submodules,
    themselves absent, can be reached.
    """

    def __init__(self, name: str, message: str, **submodules: Absent) -> None:
        super().__init__(name)
        vars(self).update(submodules)
        self._message = message

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # Introspection (inspect, copy, doctest) must get the ordinary answer.
            raise AttributeError(name)
        raise ModuleNotFoundError(
            f"{self.__name__}.{name}: {self._message}", name=self.__name__.split(".")[0]
        )


def _run_with_stand_ins(
    module: ModuleType, run: Callable[[ModuleType], None], stand_ins: Mapping[str, Any]
) -> None:
    """
    Runs the module's code with an `import` statement of its own. The interpreter takes `__import__` from the
    `__builtins__` of the importing module, so what this one module imports can be answered without putting
    anything into `sys.modules` or into the library, where other threads and other modules would see it.
    """

    def import_or_stand_in(
        name: str,
        globals: Mapping[str, object] | None = None,
        locals: Mapping[str, object] | None = None,
        fromlist: tuple[str, ...] | None = (),
        level: int = 0,
    ) -> Any:
        if level == 0 and name in stand_ins:
            return stand_ins[name]
        return builtins.__import__(name, globals, locals, fromlist or (), level)

    own_builtins = dict(vars(builtins), __import__=import_or_stand_in)
    vars(module)["__builtins__"] = own_builtins
    try:
        run(module)
    finally:
        # The module's functions hold on to `own_builtins`; what they import later is the ordinary thing again.
        own_builtins["__import__"] = builtins.__import__
        vars(module)["__builtins__"] = vars(builtins)
