"""Keeping AWS's answers exactly as they came, while calls go through boto3 as ever.

boto3 announces each answer before it parses it (`before-parse`). Inside of `capture` the bytes are kept there, and
parsed there too, into dicts with AWS's own names and every member, known to this boto3 or not, times as the
numbers that AWS sent. Signing, retries, errors and paging stay boto3's.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ddreport.aws.answers import is_emulator, time_of
from ddreport.errors import EndpointError
from ddreport.records import RawResponse
from ddreport.tables.values import decode_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from botocore.client import BaseClient

    Decoder = Callable[[bytes], dict[str, Any]]


@dataclass
class Capture:
    """What `capture` saw.

    Attributes
    ----------
    region
        Region of the client, for texts.
    decoders
        Operations whose bodies are decoded in a way of their own, for example straight into structs.
    responses
        The answers, in the order in which they came; refusals are not among them.
    emulated
        Whether any answer was the emulator's.
    time
        When the first answer was given, by AWS's clock.
    """

    region: str
    decoders: Mapping[str, Decoder] = field(default_factory=dict)
    responses: list[RawResponse] = field(default_factory=list)
    emulated: bool = False
    time: datetime | None = None
    asked: dict[str, Any] = field(default_factory=dict)

    @property
    def first_time(self) -> datetime:
        """`time`, where there was an answer at all."""
        if self.time is None:
            raise LookupError("nothing was answered")
        return self.time


# A context variable, because one client may serve several threads, each capturing for itself.
_current: ContextVar[Capture | None] = ContextVar("ddreport_capture", default=None)


@contextmanager
def capture(client: BaseClient, *, decoders: Mapping[str, Decoder] | None = None) -> Iterator[Capture]:
    """Keep the answers to the calls of `client` made inside of the `with` block by this thread.

    Raises
    ------
    EndpointError
        Out of a call: the answer says success, but its body is not what that operation answers (a page of a
        proxy, for example), so that it could be mistaken for an empty one.
    """
    prepare_capture(client)
    found = Capture(client.meta.region_name, decoders or {})
    token = _current.set(found)
    try:
        yield found
    finally:
        _current.reset(token)


def prepare_capture(client: BaseClient) -> None:
    """Register with `client` what `capture` needs, best before several threads use the client."""
    service = client.meta.service_model.service_id.hyphenize()
    with _preparing:  # botocore would take two threads at once for two hooks, and each answer would be kept twice
        client.meta.events.register(f"before-parameter-build.{service}", _note_request, unique_id="ddreport-request")
        client.meta.events.register(f"before-parse.{service}", _keep_answer, unique_id="ddreport-answer")


_preparing = threading.Lock()


def _note_request(*, params: Mapping[str, Any], **_: Any) -> None:
    found = _current.get()
    if found is not None:
        found.asked = {name: _plain(value) for name, value in params.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return value


def _keep_answer(
    *,
    operation_model: Any,
    response_dict: dict[str, Any],
    customized_response_dict: dict[str, Any],
    **_: Any,
) -> None:
    found = _current.get()
    if found is None or response_dict["status_code"] >= 300:  # errors take boto3's own way
        return
    name, body, headers = operation_model.name, response_dict["body"], response_dict["headers"]
    try:
        members = found.decoders.get(name, _any_object)(body)
    except ValueError as exc:
        raise _not_an_answer(name, found.region) from exc
    # Each member may be missing when it is empty, but an answer of other members only is somebody else's.
    if members and not members.keys() & operation_model.output_shape.members.keys():
        raise _not_an_answer(name, found.region)
    if found.time is None:
        found.time = time_of(headers)
    found.emulated = found.emulated or is_emulator(headers)
    found.responses.append(RawResponse(name, found.asked, body))
    response_dict["body"] = b"{}"
    customized_response_dict.update(members)


def _any_object(body: bytes) -> dict[str, Any]:
    found = decode_json(body)
    if not isinstance(found, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - a matter of the answer's form, like malformed JSON
    # null says as much as a member that is not there, and boto3 leaves it out.
    return {name: value for name, value in found.items() if value is not None}


def _not_an_answer(operation: str, region: str) -> EndpointError:
    return EndpointError(
        f"iot:{operation} in {region}: the answer is not one of AWS IoT.",
        hint="a proxy or a sign-in page may be answering in its place; check the network and the endpoint.",
    )
