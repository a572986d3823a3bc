"""Problem documents (RFC 9457): the closed list of codes, and JSON pointers to what is wrong."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, unquote

from rest_framework.exceptions import APIException

# code: (status, default detail). The first code of a status is the general one.
PROBLEMS: dict[str, tuple[int, str]] = {
    "bad_request": (400, "The request could not be understood."),
    "malformed_json": (400, "The body is not valid JSON."),
    "validation_error": (400, "The request is not valid: see errors."),
    "unknown_field": (400, "The body has a field that this operation does not accept."),
    "read_only_field": (400, "The body changes a field that is read-only."),
    "empty_patch": (400, "The body has no field to change."),
    "invalid_cursor": (400, "This cursor is not valid here. Start again without a cursor."),
    "not_authenticated": (401, "Send an access token: Authorization: Bearer <token>."),
    "token_expired": (401, "The token has expired."),
    "token_invalid": (401, "The token is not valid."),
    "token_reused": (401, "The refresh token was already used. Its session has been ended."),
    "invalid_credentials": (401, "No active account has this e-mail and password."),
    "permission_denied": (403, "You do not have permission to do this."),
    "https_required": (403, "Send this request over https."),
    "user_mismatch": (403, "The user in the URL is not the user of the token."),
    "registration_closed": (403, "Registration is closed."),
    "reauthentication_required": (403, "Sign in again, then repeat the request within five minutes."),
    "not_found": (404, "Not found."),
    "method_not_allowed": (405, "This URL does not support this method."),
    "request_timeout": (408, "The body of the request did not arrive in time."),
    "conflict": (409, "The request conflicts with stored data."),
    "email_taken": (409, "An account with this e-mail exists."),
    "id_unavailable": (409, "This id is not available. Choose another one."),
    "task_deleted": (409, "The task that this request created is in the trash. Restore it."),
    "sync_token_expired": (410, "This sync token has expired. Start again without a token."),
    "length_required": (411, "Send the body with a Content-Length header."),
    "precondition_failed": (412, "The task does not match If-Match. Read it again."),
    "content_too_large": (413, "The body is too large: over 1 MiB, or over 16 KiB below auth/."),
    "unsupported_media_type": (415, "Send application/json in UTF-8."),
    "idempotency_mismatch": (422, "This id or key was already used for a different request."),
    "throttled": (429, "Too many attempts. Try again later."),
    "internal_error": (500, "Something went wrong. Quote the request id when you report it."),
    "service_unavailable": (503, "The service is temporarily unavailable. Try again shortly."),
}
# One entry of a problem's `errors`: "pointer" or "parameter", "code", "detail".
ErrorItem = dict[str, str]
# How many errors a request collects, and how many characters of a name or value each of them quotes.
MAX_ERRORS = 20
MAX_ECHO = 64
# The code of an entry that stands for errors that were not collected. Its detail is their number.
OMITTED = "omitted"


def status_title(status: int) -> str:
    """Return the title of a status as in RFC 9110. Python before 3.13 has older ones."""
    return {413: "Content Too Large", 422: "Unprocessable Content"}.get(status) or HTTPStatus(status).phrase


class Problem(APIException):
    """An error response with a code from PROBLEMS. RFC 9457."""

    # Which one of several operations failed.
    index = 0

    def __init__(self, code: str, detail: str = "", errors: Any = (), headers: Any = None) -> None:
        self.code = code
        self.headers: dict[str, str] = dict(headers or {})
        self.status_code, default_detail = PROBLEMS[code]
        self.errors: list[ErrorItem] = list(errors)
        super().__init__(detail or default_detail, code)

    @classmethod
    def from_errors(cls, errors: list[ErrorItem], limit: int = MAX_ERRORS) -> "Problem":
        """Return a 400 with up to `limit` errors. Its detail says how many more there are.

        Its code is the code that all errors share, else `validation_error`. With a limit of 0, its
        detail still names the first error.
        """
        found = [error for error in errors if error["code"] != OMITTED]
        codes = {error["code"] for error in found}
        code = codes.pop() if len(codes) == 1 else ""
        known = PROBLEMS.get(code, (0, ""))[0] == HTTPStatus.BAD_REQUEST
        omitted = sum(int(error["detail"]) for error in errors if error["code"] == OMITTED)
        detail = _sentences(found, max(limit, 1), omitted)
        return cls(code if known else "validation_error", detail, found[:limit])

    @classmethod
    def at(cls, place: str, code: str, detail: str) -> "Problem":
        """Return a problem with one error, at a pointer such as `#/id`, a parameter or a header."""
        kind = "pointer" if place.startswith("#") else "parameter"
        errors = [{kind: place, "code": code, "detail": detail}]
        return cls(code, errors=errors) if code in PROBLEMS else cls.from_errors(errors)

    def document(self, request_id: str) -> dict[str, Any]:
        """Return the body of the response."""
        title, status = status_title(self.status_code), self.status_code
        document = {"type": "about:blank", "title": title, "status": status, "code": self.code}
        document |= {"detail": str(self.detail), "request_id": request_id}
        return {**document, "errors": self.errors} if self.errors else document


def echo(sent: object) -> str:
    """Return what a client sent as errors quote it: up to MAX_ECHO characters, and `…` for the rest."""
    text = str(sent)
    return text if len(text) <= MAX_ECHO else f"{text[:MAX_ECHO]}…"


def _sentence(error: ErrorItem) -> str:
    place = error["parameter"] if "parameter" in error else _unescape(error["pointer"][2:])
    return f"{place}: {error['detail']}" if place else error["detail"]


def _sentences(errors: list[ErrorItem], limit: int, omitted: int) -> str:
    sentences = [_sentence(error) for error in errors[:limit]]
    if more := len(errors[limit:]) + omitted:
        sentences.append("There is 1 more error." if more == 1 else f"There are {more} more errors.")
    return " ".join(sentences)


def flatten_errors(detail: Any, path: str = "#") -> list[ErrorItem]:
    """Return DRF's nested error detail as a flat list, each with a JSON pointer. RFC 6901, section 6."""
    if isinstance(detail, Mapping):
        return [
            error
            for name, inner in detail.items()
            for error in flatten_errors(
                inner, path if name == "non_field_errors" else f"{path}/{_escape(name)}"
            )
        ]
    if isinstance(detail, list):
        return [error for inner in detail for error in flatten_errors(inner, path)]
    return [{"pointer": path, "code": detail.code, "detail": str(detail)}]


def _escape(name: object) -> str:
    """Return a name as one part of a JSON pointer in a URI fragment."""
    return quote(echo(name).replace("~", "~0").replace("/", "~1"), safe="!$&'()*+,;=:@~")


def _unescape(path: str) -> str:
    return unquote(path).replace("~1", "/").replace("~0", "~")
