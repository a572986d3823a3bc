"""JSON: a strict parser, a fast renderer, and no content negotiation.

How large a body may be is in the settings, DATA_UPLOAD_MAX_MEMORY_SIZE and MAX_BODY_SIZES, and checked
in `middleware.py`.
"""

import json
import math
import re
from typing import Any, NoReturn

import orjson
from rest_framework.exceptions import NotAcceptable
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from config.rest.problems import Problem

MAX_NESTING = 32
MAX_INTEGER_DIGITS = 20
# Arrays and objects that are not empty: 1 MiB of them would take 45 MiB. Brackets in texts count too.
MAX_CONTAINERS = 128 * 1024
SURROGATE = re.compile("[\ud800-\udfff]")
CONTAINERS = (dict, list)


class StrictJSONParser(BaseParser):
    """Parses RFC 8259 in UTF-8, without what parsers disagree on.

    Raises Problem("malformed_json") for duplicate keys, NaN and Infinity, integers over 64 bits,
    nesting over 32 levels, too many containers and invalid UTF-8. Raises
    Problem("unsupported_media_type") for another charset.
    """

    media_type = "application/json"

    def parse(self, stream: Any, _media_type: str | None = None, parser_context: Any = None) -> Any:
        """Return the value of a body."""
        charset = parser_context["request"].content_params.get("charset", "utf-8")
        if charset.strip('"').lower() not in {"utf-8", "utf8"}:
            raise Problem("unsupported_media_type")
        body = stream.read()
        if sum(map(body.count, (b"[", b"{"))) - sum(map(body.count, (b"[]", b"{}"))) > MAX_CONTAINERS:
            _refuse(f"The body has more than {MAX_CONTAINERS} arrays and objects.")
        try:
            value = json.loads(
                body.decode(),
                object_pairs_hook=_unique_keys,
                parse_constant=lambda name: _refuse(f"The body has {name}, which is not JSON."),
                parse_int=_parse_int64,
                parse_float=_parse_finite,
            )
        except UnicodeDecodeError:
            _refuse("The body is not valid UTF-8.")
        except json.JSONDecodeError as error:
            place = f"line {error.lineno}, column {error.colno}"
            _refuse(f"The body is not JSON: {error.msg} at {place}.")
        except RecursionError:
            _refuse_nesting()
        _check_nesting(value)
        return value


def _refuse(detail: str) -> NoReturn:
    raise Problem("malformed_json", detail)


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        _refuse("The body has a key twice in one object.")
    if not (keys := "".join(result)).isascii() and SURROGATE.search(keys):
        _refuse("The body has a key with a lone surrogate.")
    return result


def _parse_int64(digits: str) -> int:
    if len(digits) <= MAX_INTEGER_DIGITS and -(2**63) <= (value := int(digits)) < 2**63:
        return value
    _refuse("The body has an integer of more than 64 bits.")


def _parse_finite(digits: str) -> float:
    if math.isinf(value := float(digits)):
        _refuse("The body has a number larger than the largest double.")
    return value


def _check_nesting(value: Any) -> None:
    # The containers of one level. A list of all their values would cost as much memory as the body.
    level: list[Any] = [[value]]
    for _ in range(MAX_NESTING + 1):
        level = [
            inner
            for each in level
            for inner in (each.values() if isinstance(each, dict) else each)
            if isinstance(inner, CONTAINERS)
        ]
        if not level:
            return
    _refuse_nesting()


def _refuse_nesting() -> NoReturn:
    _refuse(f"The body is nested deeper than {MAX_NESTING} levels.")


class JSONRenderer(BaseRenderer):
    """Renders JSON with orjson, which writes UUIDs and times in UTC too."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(self, data: Any, *_: Any) -> bytes:
        """Return the JSON of a value."""
        return b"" if data is None else orjson.dumps(data, option=orjson.OPT_UTC_Z)


class AnyAccept(DefaultContentNegotiation):
    """Chooses a renderer by Accept, or by `?format=` if there are several, and never responds 406."""

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:
        """Return the renderer to use, and its media type."""
        if len(renderers) > 1:
            asked_for = request.query_params.get("format")
            renderers = [each for each in renderers if each.format == asked_for] or renderers
            try:
                return super().select_renderer(request, renderers, format_suffix)
            except NotAcceptable:
                pass
        return renderers[0], renderers[0].media_type
