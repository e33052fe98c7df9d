"""Pages of lists: 1 to 250 items, 25 unless asked otherwise, and an opaque token for what follows.

A token remembers the last item given, not its position, so that nothing is repeated or left out when items are added
between two pages. It belongs to one list with one set of filters.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from bisect import bisect_right
from typing import TYPE_CHECKING, Any, TypeVar

from ddreport.emulation.service_errors import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

DEFAULT_PAGE = 25

Item = TypeVar("Item")


def page_of(
    items: Sequence[Item], params: dict[str, Any], *, scope: str, key: Callable[[Item], tuple[Any, ...]]
) -> tuple[Sequence[Item], str | None]:
    """Return one page and the token of the next one, None for the last page.

    Parameters
    ----------
    items
        All items in the order of the list, which is ascending by `key`.
    params
        The request; `maxResults` and `nextToken` are read, the other members are the filters.
    scope
        Name of the list; a token of another one is refused.
    key
        Sort key, unique, of values that JSON can hold.

    Raises
    ------
    InvalidRequestError
        The token is malformed or belongs to another list or other filters.
    """
    start = 0
    last = decode_token(scope, params)
    if last is not None:
        try:
            start = bisect_right(items, tuple(last), key=key)
        except TypeError as exc:
            raise _malformed() from exc
    page = items[start : start + params.get("maxResults", DEFAULT_PAGE)]
    more = start + len(page) < len(items)
    return page, encode_token(scope, params, list(key(page[-1]))) if more else None


def encode_token(scope: str, params: dict[str, Any], last: list[Any]) -> str:
    """Return the token of the page after the item with key `last`."""
    text = json.dumps([_fingerprint(scope, params), last], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode()


def decode_token(scope: str, params: dict[str, Any]) -> list[Any] | None:
    """Return the key in the request's token, None without one; `InvalidRequestError` for a bad one."""
    token = params.get("nextToken")
    if token is None:
        return None
    try:
        fingerprint, last = json.loads(base64.b64decode(token, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, TypeError, RecursionError) as exc:
        raise _malformed() from exc
    if fingerprint != _fingerprint(scope, params) or not isinstance(last, list):
        raise _malformed()
    return last


def _fingerprint(scope: str, params: dict[str, Any]) -> str:
    filters = {k: v for k, v in params.items() if k not in ("nextToken", "maxResults")}
    text = scope + json.dumps(filters, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _malformed() -> InvalidRequestError:
    return InvalidRequestError("The nextToken is malformed or belongs to another request.")
