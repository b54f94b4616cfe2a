"""The part of CEL that the rules of the resource are written in, for a check without an API server.

Expressions are compiled to functions of the variables. What is here is what the rules use, as the
CEL specification and Kubernetes' own libraries say it; tests hold every rule and bad example of the
resource against it. No library for it is worth its weight: cel-go's port to Python needs a grammar
toolkit, and other users of CEL need dates, maps and protobuf.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from model_rollouts.api.duration import span

Variables = Mapping[str, Any]
Evaluate = Callable[[Variables], Any]


class CelError(ValueError):
    """An expression that cannot be read, or has no value for these variables."""


_FAILURES = (ValueError, TypeError, ArithmeticError)
"""What has no value, in Python's words."""

_TOKEN = re.compile(
    r"""\s*(?:(?P<number>\d+\.\d+|\d+)|(?P<name>[A-Za-z_]\w*)"""
    r"""|(?P<text>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')"""
    r"""|(?P<sign>&&|\|\||[=!<>]=|[-+*/%!<>?:.,()\[\]{}]))"""
)
_ESCAPED = re.compile(r"\\(u[0-9a-fA-F]{4}|.)")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}
_FIELD = re.compile(r"^__(\w+)__$")
"""Kubernetes writes fields so whose names are words of CEL, such as namespace."""
_LITERALS = {"true": True, "false": False, "null": None}


@lru_cache(maxsize=1024)
def compiled(expression: str) -> Evaluate:
    """The function of an expression. Raises CelError when it cannot be read."""
    parser = _Parser(expression)
    found = parser.expression()
    parser.end()
    return found


def _methods() -> dict[str, Callable[..., Any]]:
    return {
        "matches": lambda text, pattern: re.search(pattern, text) is not None,
        "startsWith": lambda text, prefix: text.startswith(prefix),
        "endsWith": lambda text, suffix: text.endswith(suffix),
        "contains": lambda text, part: part in text,
        "replace": lambda text, old, new: text.replace(old, new),
        "size": len,
        "join": lambda texts, between="": between.join(texts),
        "sum": lambda values: sum(values[1:], values[0]) if values else 0,
        "isSorted": lambda values: list(values) == sorted(values),
        "getMilliseconds": lambda time: time // span("1ms"),
        "getSeconds": lambda time: time // span("1s"),
    }


_METHODS = _methods()
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "double": float,
    "int": int,
    "string": lambda value: str(value),
    "size": len,
    "duration": span,
}


def _exactly_one(found: Sequence[bool]) -> bool:
    return sum(found) == 1


_MACROS: dict[str, Callable[[Sequence[Any]], Any]] = {
    "all": all,
    "exists": any,
    "exists_one": _exactly_one,
    "map": list,
}
_SIGNS: dict[str, Callable[[Any, Any], Any]] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "in": lambda a, b: a in b,
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "%": lambda a, b: a % b,
}
_LEVELS = (("==", "!=", "<", "<=", ">", ">=", "in"), ("+", "-"), ("*", "/", "%"))


class _Parser:
    """A parser by recursive descent; each method gives the function of what it has read."""

    def __init__(self, text: str) -> None:
        self._text, self._tokens, self._at = text, [*_tokens(text)], 0
        self._selected: tuple[Evaluate, str] | None = None
        """The field that was read last, and of what."""

    def end(self) -> None:
        if self._at < len(self._tokens):
            raise self._wrong("the end")

    def expression(self) -> Evaluate:
        condition = self._either()
        if not self._takes("?"):
            return condition
        then = self.expression()
        self._need(":")
        other = self.expression()
        return lambda names: then(names) if condition(names) else other(names)

    def _either(self) -> Evaluate:
        found = self._both()
        while self._takes("||"):
            found = _logical(found, self._both(), decides=True)
        return found

    def _both(self) -> Evaluate:
        found = self._level(0)
        while self._takes("&&"):
            found = _logical(found, self._level(0), decides=False)
        return found

    def _level(self, level: int) -> Evaluate:
        if level == len(_LEVELS):
            return self._unary()
        found = self._level(level + 1)
        while sign := self._takes(*_LEVELS[level]):
            found = _operation(_SIGNS[sign], found, self._level(level + 1))
        return found

    def _unary(self) -> Evaluate:
        if self._takes("!"):
            inner = self._unary()
            return lambda names: not inner(names)
        if self._takes("-"):
            inner = self._unary()
            return lambda names: -inner(names)
        return self._member()

    def _member(self) -> Evaluate:
        found = self._primary()
        while True:
            if self._takes("."):
                name = self._name()
                if self._takes("("):
                    found = self._called(found, name)
                else:
                    name = _FIELD.sub(r"\1", name)
                    self._selected = found, name
                    found = _field(found, name)
            elif self._takes("["):
                found = _operation(_item, found, self.expression())
                self._need("]")
            else:
                return found

    def _called(self, of: Evaluate, name: str) -> Evaluate:
        if name in _MACROS or name == "filter":
            variable = self._name()
            self._need(",")
            body = self.expression()
            self._need(")")
            return _macro(name, of, variable, body)
        if name not in _METHODS:
            raise CelError(f"found the unknown function .{name}() in: {self._text}")
        method, arguments = _METHODS[name], self._arguments(")")
        return lambda names: method(of(names), *(each(names) for each in arguments))

    def _primary(self) -> Evaluate:
        if self._takes("("):
            found = self.expression()
            self._need(")")
            return found
        if self._takes("["):
            items = self._arguments("]")
            return lambda names: [each(names) for each in items]
        if self._takes("{"):
            entries = self._entries()
            return lambda names: {key(names): value(names) for key, value in entries}
        kind, text = self._next()
        if kind == "number":
            number = float(text) if "." in text else int(text)
            return lambda names: number
        if kind == "text":
            literal = _unescaped(text)
            return lambda names: literal
        if kind != "name":
            raise self._wrong("a value")
        if text in _LITERALS:
            value = _LITERALS[text]
            return lambda names: value
        if not self._takes("("):
            return lambda names: _variable(names, text)
        if text == "has":
            return self._has()
        if text not in _FUNCTIONS:
            raise CelError(f"found the unknown function {text}() in: {self._text}")
        function, arguments = _FUNCTIONS[text], self._arguments(")")
        return lambda names: function(*(each(names) for each in arguments))

    def _has(self) -> Evaluate:
        """`has(a.b.c)`: whether `a.b` has `c`."""
        self._selected = None
        self._member()
        if self._selected is None:
            raise self._wrong("a field")
        of, name = self._selected
        self._need(")")
        return lambda names: name in of(names)

    def _entries(self) -> list[tuple[Evaluate, Evaluate]]:
        """`{key: value, …}` behind its first sign."""
        found: list[tuple[Evaluate, Evaluate]] = []
        while not self._takes("}"):
            if found:
                self._need(",")
            key = self.expression()
            self._need(":")
            found.append((key, self.expression()))
        return found

    def _arguments(self, end: str) -> list[Evaluate]:
        found: list[Evaluate] = []
        while not self._takes(end):
            if found:
                self._need(",")
            found.append(self.expression())
        return found

    def _takes(self, *texts: str) -> str | None:
        if self._at < len(self._tokens):
            kind, text = self._tokens[self._at]
            if text in texts and kind in ("sign", "name"):
                self._at += 1
                return text
        return None

    def _need(self, text: str) -> None:
        if not self._takes(text):
            raise self._wrong(f"'{text}'")

    def _name(self) -> str:
        kind, text = self._next()
        if kind != "name":
            raise self._wrong("a name")
        return text

    def _next(self) -> tuple[str, str]:
        if self._at >= len(self._tokens):
            raise self._wrong("more")
        self._at += 1
        return self._tokens[self._at - 1]

    def _wrong(self, expected: str) -> CelError:
        return CelError(f"expected {expected} at token {self._at} of: {self._text}")


def _tokens(text: str) -> list[tuple[str, str]]:
    found, at = [], 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        if match is None:
            raise CelError(f"found '{text[at : at + 10]}' in: {text}")
        found.append((str(match.lastgroup), match[match.lastgroup or 0]))
        at = match.end()
    return found


def _unescaped(text: str) -> str:
    def plain(match: re.Match[str]) -> str:
        code = match[1]
        return chr(int(code[1:], 16)) if len(code) == 5 else _ESCAPES.get(code, code)

    return _ESCAPED.sub(plain, text[1:-1])


def _variable(names: Variables, name: str) -> Any:
    if name not in names:
        raise CelError(f"found no variable {name}")
    return names[name]


def _field(of: Evaluate, name: str) -> Evaluate:
    return lambda names: _item(of(names), name)


def _item(value: Any, key: Any) -> Any:
    try:
        return value[key]
    except (KeyError, IndexError, TypeError):
        raise CelError(f"found no {key}") from None


def _operation(sign: Callable[[Any, Any], Any], left: Evaluate, right: Evaluate) -> Evaluate:
    return lambda names: sign(left(names), right(names))


def _logical(left: Evaluate, right: Evaluate, *, decides: bool) -> Evaluate:
    """`||` and `&&`: one side that decides makes an error of the other one irrelevant."""

    def evaluate(names: Variables) -> bool:
        try:
            if bool(left(names)) == decides:
                return decides
        except _FAILURES:
            if bool(right(names)) == decides:
                return decides
            raise
        return bool(right(names))

    return evaluate


def _macro(name: str, of: Evaluate, variable: str, body: Evaluate) -> Evaluate:
    def evaluate(names: Variables) -> Any:
        items = list(of(names))
        results = [body({**names, variable: each}) for each in items]
        if name == "filter":
            return [each for each, kept in zip(items, results, strict=True) if kept]
        return _MACROS[name](results)

    return evaluate
