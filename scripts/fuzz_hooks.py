"""The failures of Schemathesis that do not count, each with its reason.

A request that matches the document should be accepted, and another one refused. No schema knows what is
stored, or what was signed.
"""

import os
from datetime import date
from http import HTTPStatus
from typing import Any

import schemathesis
from hypothesis import strategies as st
from schemathesis.core.failures import AcceptedNegativeData
from schemathesis.openapi.checks import RejectedPositiveData

# The codes that refuse a request which matches the document.
REFUSALS = {
    "invalid_cursor": "a cursor is signed, for one user and one set of filters",
    "sync_token_expired": "a sync token is signed, for one user",
    "precondition_failed": "the task is at another version than If-Match",
    "idempotency_mismatch": "an earlier request used the id or the key",
    "too_many_words": "no schema counts different words",
    "unknown_time_zone": "no schema lists the time zones",
    "content_too_large": "the limit is in bytes, and a character may be sent as 12",
    "read_only_field": "the id in the body is not the one in the URL",
}
# No schema can say which password is correct or weak. It can say how long a password must be.
OF_PASSWORDS = "password_"
IN_SCHEMA = {"password_too_short"}
# A local account sends its password, an external account sends no body.
OPTIONAL_BODY = "DELETE /api/v1/auth/me"


@schemathesis.hook
def filter_failure(context: Any, failure: Any, case: Any, response: Any) -> bool:  # noqa: ARG001  (Schemathesis's signature)
    """Return whether a failure counts."""
    if isinstance(failure, RejectedPositiveData):
        return not is_expected_refusal(case, response.json())
    if isinstance(failure, AcceptedNegativeData) and case.operation.path.endswith("/batch"):
        # With `"atomic": false` the refusal is in the result of the operation.
        return all(result["status"] < HTTPStatus.BAD_REQUEST for result in response.json()["results"])
    return True


def is_expected_refusal(case: Any, problem: dict[str, Any]) -> bool:
    """Return whether the only reasons for a refusal are those that no schema knows."""
    codes = {error["code"] for error in problem.get("errors", ())} or {problem["code"]}
    if case.operation.label == OPTIONAL_BODY and codes == {"required"}:
        return True
    return all(
        code in REFUSALS or (code.startswith(OF_PASSWORDS) and code not in IN_SCHEMA) for code in codes
    )


@schemathesis.hook
def before_load_schema(context: Any, raw_schema: dict[str, Any]) -> None:  # noqa: ARG001  (Schemathesis's signature)
    """Give If-Match and If-None-Match a format, and with it a generator.

    Schemathesis 4.32.5 makes headers of letters and digits alone, and sends "0" as a valid value of a header
    whose pattern needs another character.
    """
    for methods in raw_schema["paths"].values():
        for operation in methods.values():
            for parameter in operation.get("parameters", ()):
                if parameter["name"] in {"If-Match", "If-None-Match"}:
                    parameter["schema"]["format"] = "entity-tags"


# The versions of the first tasks are among them.
TAGS = st.integers(1, 50).map('"{}"'.format) | st.from_regex(r'(W/)?"[!#-~]*"', fullmatch=True)
schemathesis.openapi.format(
    "entity-tags", st.just("*") | st.lists(TAGS, min_size=1, max_size=3).map(", ".join)
)


# The years 1 and 9999 have days that no due date can be.
DATES = st.dates(date(1, 1, 3), date(9999, 12, 29))
schemathesis.openapi.format("date", DATES.map(date.isoformat))
schemathesis.openapi.format("date-time", DATES.map(lambda day: f"{day}T17:00:00.5+00:00"))


# The ids of another user's tasks. Schemathesis's own check of strangers sends GET alone, and looks for the
# same document. A task's document names the user who asks.
STRANGERS = os.environ["FUZZ_STRANGERS"].split()


@schemathesis.hook
def map_path_parameters(context: Any, path_parameters: dict[str, Any] | None) -> dict[str, Any] | None:  # noqa: ARG001  (Schemathesis's signature)
    """Name another user's task instead of one in four."""
    pk = (path_parameters or {}).get("id")
    if not isinstance(pk, str) or pk[-1:] not in {"0", "4", "8", "c"}:
        return path_parameters
    return {**(path_parameters or {}), "id": STRANGERS[len(pk) % len(STRANGERS)]}


@schemathesis.check
def strangers_task_is_not_found(ctx: Any, response: Any, case: Any) -> None:  # noqa: ARG001  (Schemathesis's signature)
    """Fail if a task of another user is read or changed."""
    if (case.path_parameters or {}).get("id") in STRANGERS:
        assert response.status_code >= HTTPStatus.MULTIPLE_CHOICES, "Another user's task was found."
