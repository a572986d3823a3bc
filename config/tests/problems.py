"""The one shape of an error, checked whole."""

from http import HTTPStatus

from config.rest.problems import PROBLEMS

TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    409: "Conflict",
    410: "Gone",
    411: "Length Required",
    412: "Precondition Failed",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    422: "Unprocessable Content",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
PROBLEM = {"type", "title", "status", "code", "detail", "request_id"}


def assert_problem(answer, code):
    """Check an answer against the contract's shape, and return its document."""
    document = answer.json()
    status = PROBLEMS[code][0]
    assert (answer.status_code, document["status"], document["code"]) == (status, status, code), document
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert document.keys() - {"errors"} == PROBLEM
    assert document["type"] == "about:blank"
    assert document["title"] == TITLES[status]
    assert isinstance(document["detail"], str)
    assert document["detail"]
    assert document["request_id"] == answer.headers["X-Request-ID"]
    for fault in document.get("errors", [{"pointer": "#", "code": "-", "detail": "-"}]):
        assert fault.keys() in ({"pointer", "code", "detail"}, {"parameter", "code", "detail"})
        assert all(isinstance(value, str) and value for value in fault.values())
    assert document.get("errors") != []
    assert ("WWW-Authenticate" in answer.headers) == (status == HTTPStatus.UNAUTHORIZED)
    assert ("Retry-After" in answer.headers) == (status in {429, 503})
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        assert answer.headers["Allow"]
    return document


def faults_of(answer, code):
    """Return the places that a problem blames, each with its code."""
    return [
        (fault.get("pointer") or fault["parameter"], fault["code"])
        for fault in assert_problem(answer, code)["errors"]
    ]
