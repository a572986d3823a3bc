"""Querysets that are compiled once per process and run with new values each time.

Compiling a short queryset costs Django more than running it. `prepared` compiles it once, with
Django's own compiler, and leaves a `Param` open in the place of each value:

    @prepared
    def sessions_of_user() -> QuerySet[Session]:
        return Session.objects.filter(user=Param("user", UUIDField()))

    sessions_of_user().objects(user=user.pk)

Django does not document all that this needs. From `Query.get_compiler()` it uses `as_sql()` and what
that leaves on the compiler: `select`, `klass_info`, `get_converters()`; and from
`django.db.models.query` it uses `get_related_populators()`. It relies on expressions being accepted
wherever a lookup takes a value. An annotation cannot have the name of a field, so an expression may name
its column in a row by `row_name`. `config/tests/test_prepared.py` fails when any of this changes.
Only the default database is supported.
"""

from collections import namedtuple
from collections.abc import Callable, Hashable
from functools import cached_property, lru_cache, partial, wraps
from typing import Any, Generic, ParamSpec, TypeVar, cast

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import Expression, Field, Model, QuerySet
from django.db.models.query import get_related_populators

MAX_STATEMENTS = 256
Shape = ParamSpec("Shape")
M = TypeVar("M", bound=Model)
_caches: list[Callable[[], None]] = []
row_class: Any = lru_cache(maxsize=MAX_STATEMENTS)(partial(namedtuple, "Row", rename=True))


class Param(Expression):
    """A value that is given when the statement runs. `field` converts it for the database."""

    def __init__(self, name: str, field: "Field[Any, Any]") -> None:
        super().__init__(output_field=field)
        self.name = name

    def as_sql(self, _compiler: Any, _connection: Any) -> tuple[str, list[Any]]:  # type: ignore[override]  # its own type
        """Return a placeholder. The parameter is the Param itself."""
        return "%s", [self]


class Prepared(Generic[M]):
    """A compiled queryset. Keyword arguments of `rows` and `objects` are the values of its Params."""

    def __init__(self, queryset: "QuerySet[M, Any]") -> None:
        compiler = queryset.query.get_compiler(DEFAULT_DB_ALIAS)
        self.sql, self.params = compiler.as_sql()
        self.model, self.query = queryset.model, queryset.query
        self.select, self.klass_info = compiler.select, compiler.klass_info
        columns = [column for column, _, _ in self.select]
        self.converters = list(compiler.get_converters(columns).items())
        names = [
            getattr(column, "row_name", None) or alias or column.target.attname
            for column, _, alias in self.select
        ]
        # As `_make` does, without a call of Python for each row.
        self.make_row = partial(tuple.__new__, row_class(tuple(names)))

    def rows(self, **values: Any) -> list[Any]:
        """Return the rows as named tuples, with the attribute names of a model instance."""
        return list(map(self.make_row, self._fetch(values)))

    def objects(self, **values: Any) -> list[M]:
        """Return model instances, with what `select_related` names."""
        positions, names, populators = self._instance_columns
        instances = []
        for row in self._fetch(values):
            instance = self.model.from_db(DEFAULT_DB_ALIAS, names, row[positions])
            for populator in populators:
                populator.populate(row, instance)
            instances.append(instance)
        return instances

    @cached_property
    def _instance_columns(self) -> tuple[slice, list[str], list[Any]]:
        fields = self.klass_info["select_fields"]
        positions = slice(fields[0], fields[-1] + 1)
        names = [column.target.attname for column, _, _ in self.select[positions]]
        populators = get_related_populators(self.klass_info, self.select, DEFAULT_DB_ALIAS)  # type: ignore[call-arg]  # the stubs are of Django 6
        return positions, names, populators

    def _fetch(self, values: dict[str, Any]) -> list[Any]:
        # Once, because each look at `connection` is a thread-local look-up.
        database = connections[DEFAULT_DB_ALIAS]
        params = [
            param.output_field.get_db_prep_value(values[param.name], database)
            if isinstance(param, Param)
            else param
            for param in self.params
        ]
        with database.cursor() as cursor:
            cursor.execute(self.sql, params)
            rows: list[Any] = cursor.fetchall()
        return [self._convert(row, database) for row in rows] if self.converters else rows

    def _convert(self, row: tuple[Any, ...], database: Any) -> list[Any]:
        """Apply the converters, which PostgreSQL needs for few types and SQLite for many."""
        converted = list(row)
        for position, (converters, column) in self.converters:
            for converter in converters:
                converted[position] = converter(converted[position], column, database)
        return converted


def prepared(build: "Callable[Shape, QuerySet[M, Any]]") -> Callable[Shape, Prepared[M]]:
    """Turn a function that returns a queryset into one that returns it prepared.

    Its arguments must be hashable. They are part of the statement: each combination is compiled
    once, and the least recently used are forgotten.
    """

    @lru_cache(maxsize=MAX_STATEMENTS)
    @wraps(build)
    def compile_once(*args: Hashable, **kwargs: Hashable) -> Prepared[M]:
        return Prepared(build(*args, **kwargs))  # type: ignore[arg-type]  # ParamSpec cannot say "hashable"

    _caches.append(compile_once.cache_clear)
    return cast("Callable[Shape, Prepared[M]]", compile_once)


def forget_statements() -> None:
    """Empty the cache, for tests that change what a queryset method does."""
    for clear in _caches:
        clear()
