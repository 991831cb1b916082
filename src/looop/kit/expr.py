"""CEL expressions behind one door: Google's engine where it is installed, else the pure one."""

import importlib
import re
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from looop.kit.shapes import is_array, is_object
from looop.kit.text import one_line

__all__ = ["Engine", "ExprError", "Expression", "engine"]


class ExprError(ValueError):
    """An expression that cannot be compiled, or that has no value for this world."""


class Expression(Protocol):
    """A compiled expression; `value` gives plain Python data or raises `ExprError`."""

    def value(self, data: Mapping[str, Any]) -> Any: ...


class Engine(Protocol):
    """Compiles expressions over a fixed set of variable names."""

    def compile(self, source: str) -> Expression: ...


def _first_line(error: Exception) -> str:
    said = error.args[0] if error.args and isinstance(error.args[0], str) else str(error)
    text = one_line(said.partition("\n")[0], 200)
    text = re.sub(r"^INVALID_ARGUMENT: ERROR: <input>:", "at ", text)
    return text.replace(" (in container '')", "")


def _json(value: Any) -> Any:
    """`value` if JSON can hold it: the two engines differ in how they hand out all else."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if is_array(value):
        return [_json(entry) for entry in value]
    if is_object(value):
        return {str(key): _json(entry) for key, entry in value.items()}
    raise ExprError(f"the value is a {type(value).__name__}, which JSON cannot hold")


class _GoogleExpression:
    def __init__(self, compiled: Any, activate: Any) -> None:
        self._compiled = compiled
        self._activate = activate

    def value(self, data: Mapping[str, Any]) -> Any:
        try:
            result = self._compiled.eval(data=dict(data))
        except (RuntimeError, TypeError, ValueError, OverflowError) as error:
            raise ExprError(_first_line(error)) from error
        if result.type().name() in ("*error*", "ERROR"):
            raise ExprError(str(result.value()))
        return _json(result.plain_value())


class _GoogleEngine:
    def __init__(self, variables: Iterable[str]) -> None:
        from cel_expr_python import cel

        self._error = cel.Type.ERROR
        self._env: Any = cel.NewEnv(variables=dict.fromkeys(variables, cel.Type.DYN))

    def compile(self, source: str) -> Expression:
        try:
            return _GoogleExpression(self._env.compile(source), self._env)
        except RuntimeError as error:
            raise ExprError(_first_line(error)) from error


class _PureExpression:
    def __init__(self, program: Any) -> None:
        self._program = program

    def value(self, data: Mapping[str, Any]) -> Any:
        celpy: Any = importlib.import_module("celpy")
        try:
            found = self._program.evaluate(
                {name: celpy.json_to_cel(value) for name, value in data.items()}
            )
        except (celpy.CELEvalError, TypeError, ValueError, KeyError, AttributeError) as error:
            raise ExprError(_first_line(error)) from error
        return _json(_plain(found))


def _plain(value: Any) -> Any:
    t: Any = importlib.import_module("celpy.celtypes")
    if isinstance(value, t.BoolType):
        return bool(value)
    if isinstance(value, t.IntType | t.UintType):
        return int(value)
    if isinstance(value, t.DoubleType):
        return float(value)
    if isinstance(value, t.MapType):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, t.ListType):
        return [_plain(v) for v in value]
    if isinstance(value, Exception):
        raise ExprError(_first_line(value))
    return str(value) if isinstance(value, t.StringType) else value


class _PureEngine:
    def __init__(self, variables: Iterable[str]) -> None:
        self._celpy: Any = importlib.import_module("celpy")
        self._env = self._celpy.Environment()
        self._variables = set(variables)

    def compile(self, source: str) -> Expression:
        try:
            return _PureExpression(self._env.program(self._env.compile(source)))
        except self._celpy.CELParseError as error:
            raise ExprError(_first_line(error)) from error


def engine(variables: Iterable[str]) -> Engine:
    """
    An engine that knows these variables. Raises `ImportError` when no engine is installed.

    Google's engine refuses an unknown name when it compiles; the pure one when it evaluates.
    """
    names = list(variables)
    try:
        return _GoogleEngine(names)
    except ImportError:
        return _PureEngine(names)
