"""Something else that happens in the middle of an operation, always at the same place."""

from contextlib import contextmanager

from django.db import connection


@contextmanager
def meanwhile(when, act):
    """Call `act` once, before the first statement for which `when(number, sql)` is true.

    Yields a list that is empty until it has happened.
    """
    happened, number = [], 0

    def interrupt(execute, sql, *rest):
        nonlocal number
        if not happened and when(number, sql):
            happened.append(sql)
            act()
        number += 1
        return execute(sql, *rest)

    with connection.execute_wrapper(interrupt):
        yield happened


def before_statement(wanted):
    """Return a condition for `meanwhile`: the statement with this number, from 0."""
    return lambda number, _: number == wanted
