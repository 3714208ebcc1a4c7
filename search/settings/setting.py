"""A command's settings: a frozen dataclass, from which its flags and its keywords in Python come.

Each field is made by ``setting``: its default, its help and its rule stand in that one place. The
flag is the field's name with hyphens, its kind follows from the annotation.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from numbers import Integral, Real
from pathlib import Path
from typing import Any, ClassVar, NoReturn, Self

from search.common.errors import UserError, at_least
from search.common.secrets import command_without_secrets
from spaces.space import Space
from trainers.validators import suggest

PROGRAM = "sharpsearch"  # the console command


class OneLineParser(argparse.ArgumentParser):
    """A parser whose errors are one line, without the usage."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; see --help")


@dataclass(frozen=True)
class Rule:
    """The facts of a setting beside its default.

    ``least``: numbers must be at least that; ``among``: names must be in that table; ``read`` makes
    a value of the texts that the flag was given; ``off``: ``--no-NAME`` stands for that value;
    ``short``: the flag's one letter; ``positional``: it has no flag; ``in_python``: it is a keyword
    too; ``trainer_only``: it means nothing to a user's own training function. ``options`` are
    argparse's.
    """

    help: str
    least: float | None = None
    among: Collection[str] | None = None
    read: Callable[[Any], Any] | None = None
    off: Any = None
    short: str = ""
    positional: bool = False
    in_python: bool = True
    trainer_only: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)


def setting(
    help: str,
    default: Any = MISSING,
    *,
    factory: Any = MISSING,
    metavar: str | None = None,
    **rule: Any,
) -> Any:
    """Return a field of ``Settings``; without a default, it must be given."""
    options = {"metavar": metavar, **rule.pop("options", {})}
    metadata = {"rule": Rule(help, options=options, **rule)}
    if factory is not MISSING:
        return field(default_factory=factory, metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a command is asked for, checked as far as it can be by itself."""

    command: ClassVar[str]
    description: ClassVar[str]
    epilog: ClassVar[str] = ""

    def __post_init__(self) -> None:
        for item in fields(self):
            object.__setattr__(self, item.name, _checked(item, getattr(self, item.name)))

    @classmethod
    def of_keywords(cls, keywords: Mapping[str, Any]) -> Self:
        """Return settings from keywords; None is the default. Raises ``TypeError`` for an unknown
        keyword and ``UserError`` for a value that breaks a rule."""
        names = [item.name for item in fields(cls) if rule_of(item).in_python]
        for keyword in keywords:
            if keyword not in names:
                raise TypeError(
                    f"unknown keyword {keyword!r}{suggest(keyword, names)} "
                    f"(known: {', '.join(names)})"
                )
        return cls(**{name: value for name, value in keywords.items() if value is not None})

    @classmethod
    def parse(cls, argv: Sequence[str] | None = None) -> Self:
        """Return settings from a command line. Raises ``UserError``."""
        arguments = sys.argv[1:] if argv is None else argv
        for argument in arguments:
            if any("\ud800" <= letter <= "\udfff" for letter in argument):
                shown = argument.encode(errors="surrogateescape").decode(errors="backslashreplace")
                raise UserError(f"arguments must be UTF-8, got '{shown}'; name it in UTF-8")
        given = vars(make_parser(cls).parse_args(arguments))
        for item in fields(cls):
            read = rule_of(item).read
            if read is not None and item.name in given:
                given[item.name] = read(given[item.name])
        return cls(**given)

    def as_command(self) -> str:
        """Return the command line that asks for the same, without passwords."""
        words = program(self.command).split()
        for item in fields(self):
            value = getattr(self, item.name)
            if value != default_of(item):
                words += _flag(item, value)
        return command_without_secrets(words)


def program(command: str) -> str:
    """Return how ``command`` is called: as this process was."""
    if Path(sys.argv[0]).name == PROGRAM:
        return f"{PROGRAM} {command.replace('_', '-')}"
    return f"python -m search.{command}"


def rule_of(item: Field[Any]) -> Rule:
    """Return the rule of a field that ``setting`` made."""
    rule: Rule = item.metadata["rule"]
    return rule


def default_of(item: Field[Any]) -> Any:
    """Return the default of a field, ``MISSING`` where it must be given."""
    return item.default if item.default_factory is MISSING else item.default_factory()


def flag_of(name: str) -> str:
    """Return the flag of a name, such as ``--n-trials`` for ``n_trials``."""
    return f"--{name.replace('_', '-')}"


def make_parser(kind: type[Settings]) -> OneLineParser:
    """Return the command line's flags; what is not given is left out of the namespace."""
    parser = OneLineParser(
        prog=program(kind.command),
        description=kind.description,
        epilog=kind.epilog,
        argument_default=argparse.SUPPRESS,
    )
    for item in fields(kind):
        rule, default = rule_of(item), default_of(item)
        words = rule.help
        if default not in (None, "", False, MISSING) and not isinstance(default, (dict, tuple)):
            words += (
                f" (default: {default:g})"
                if isinstance(default, float)
                else f" (default: {default})"
            )
        options = {**_kind(item), **{k: v for k, v in rule.options.items() if v is not None}}
        if rule.positional:
            parser.add_argument(item.name, help=words, **options)
            continue
        names = [*([rule.short] if rule.short else []), flag_of(item.name)]
        parser.add_argument(*names, help=words, required=default is MISSING, **options)
        if rule.off is not None:
            parser.add_argument(
                f"--no-{item.name.replace('_', '-')}",
                dest=item.name,
                action="store_const",
                const=rule.off,
                help="skip it",
            )
    return parser


def _kind(item: Field[Any]) -> dict[str, Any]:
    """Return what argparse must know of a field's type."""
    types = {"int": int, "float": float, "str": str, "Path": Path}
    if item.type == "bool":
        return {"action": "store_true"}
    if item.type == "bool | None":
        return {"action": argparse.BooleanOptionalAction}
    if str(item.type).startswith("Mapping"):
        return {"action": "append"}
    return {"type": types.get(str(item.type).partition(" ")[0], str)}


def _checked(item: Field[Any], value: Any) -> Any:
    """Return ``value`` as the setting has it. Raises ``UserError`` with value and rule."""
    if value is None:
        return None
    kind, rule, flag = str(item.type).partition(" ")[0], rule_of(item), flag_of(item.name)
    if kind == "int":
        if isinstance(value, bool) or not isinstance(value, Integral):
            raise UserError(f"{flag} must be a whole number, got {value!r}")
        value = int(value)
    if kind == "float" and (isinstance(value, bool) or not isinstance(value, Real)):
        raise UserError(f"{flag} must be a number, got {value!r}")
    if kind == "bool" and not isinstance(value, bool):
        raise UserError(f"{flag} must be True or False, got {value!r}")
    if kind == "str" and isinstance(value, Path):
        value = str(value)
    if kind == "Path":
        value = Path(value)
    if kind.startswith("Mapping") and not isinstance(value, Mapping):
        raise TypeError(f"{item.name} takes a dict such as {{'lr': …}}, got {value!r}")
    if kind.startswith("tuple"):
        parts = value.split(",") if isinstance(value, str) else value
        value = tuple(part.strip() for part in parts if part.strip())
    if rule.least is not None:
        at_least(flag[2:], value, rule.least)
    return value if rule.among is None else known(flag[2:], value, rule.among)


def known(what: str, name: str, table: Collection[str]) -> str:
    """Return ``name``, which must be in ``table``."""
    if name not in table:
        raise UserError(
            f"unknown {what} {name!r}{suggest(name, table)} (known: {', '.join(table)})"
        )
    return name


def _flag(item: Field[Any], value: Any) -> Iterator[str]:
    """Yield a flag and its value, such as ``--n-trials 9``."""
    flag, rule = flag_of(item.name), rule_of(item)
    if rule.positional:
        yield str(value)
    elif isinstance(value, Mapping):
        for name, part in value.items():
            between = ":" if item.name == "range" else ","
            yield from (flag, f"{name}={as_text(part, between)}")
    elif value is True:
        yield flag
    elif value is False:
        yield f"--no-{flag[2:]}"
    elif rule.options.get("action") == "append":
        for part in value:
            yield from (flag, as_text(part))
    elif rule.options.get("nargs"):
        yield from (flag, *map(str, value))
    elif isinstance(value, tuple):
        yield from (flag, ",".join(value))
    else:
        yield from (flag, f"<Space {value.name}>" if isinstance(value, Space) else str(value))


def as_text(value: Any, between: str = ",") -> str:
    """Return ``value`` as it is typed on a command line."""
    if isinstance(value, Mapping):
        return between.join(f"{name}={item}" for name, item in value.items())
    if isinstance(value, (list, tuple)):
        return between.join(map(str, value)) + ("," if len(value) == 1 and between == "," else "")
    return str(value)
