"""AWS IoT's own service model: what the operations are, and how their members travel.

`parse_request` turns what came over the wire into the members that the model names, with Python types; nothing is
judged here but the form. `validation` judges the values.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import msgspec
from botocore.utils import parse_timestamp
from moto.core.utils import get_service_model

from ddreport.emulation.service_errors import InvalidRequestError, SerializationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from botocore.model import OperationModel, ServiceModel, Shape

_EARLIEST, _LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)


@cache
def service_model() -> ServiceModel:
    """Return botocore's model of the service `iot`."""
    return get_service_model("iot")


@cache
def operation_model(name: str) -> OperationModel:
    """Return the model of one operation."""
    return service_model().operation_model(name)


def parse_request(
    operation: OperationModel,
    *,
    path: Mapping[str, str],
    query: Mapping[str, str],
    body: bytes,
    headers: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Any]:
    """Read the members of a request.

    Parameters
    ----------
    operation
        Which operation.
    path, query
        Decoded path labels and query parameters by their names on the wire.
    body
        The raw body.
    headers
        The headers by their names in lower case.

    Raises
    ------
    SerializationError
        The body is not JSON, or a value in it has another type than the model says.
    InvalidRequestError
        A query parameter cannot be read.
    """
    shape = operation.input_shape
    if shape is None:
        return {}
    payload = shape.serialization.get("payload")
    document = _json(body) if _has_body(shape) else {}
    params: dict[str, Any] = {}
    for name, member in shape.members.items():
        wire_name = member.serialization.get("name", name)
        match member.serialization.get("location"):
            case "uri":
                value = _from_text(member, path.get(wire_name), name)
            case "querystring":
                value = _from_text(member, query.get(wire_name), name)
            case "header":
                value = _from_text(member, headers.get(wire_name.lower()), name)
            case "headers" | "statusCode":
                value = None
            case _:
                value = _from_json(member, document if name == payload else document.get(wire_name), name)
        if value is not None:
            params[name] = value
    return params


def _has_body(shape: Any) -> bool:
    return any("location" not in m.serialization for m in shape.members.values())


def _json(body: bytes) -> dict[str, Any]:
    if not body.strip():
        return {}
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise SerializationError("The request body is not valid JSON.") from exc
    if not isinstance(document, dict):
        raise SerializationError("The request body must be a JSON object.")
    return document


def _from_json(shape: Any, value: Any, where: str) -> Any:
    if value is None:
        return None
    convert = _FROM_JSON.get(shape.type_name)
    if convert is None:
        raise SerializationError(f"{where}: {shape.type_name} is not supported.")
    return convert(shape, value, where)


def _structure(shape: Any, value: Any, where: str) -> dict[str, Any]:
    _expect(value, dict, "an object", where)
    members = {
        name: _from_json(member, value.get(member.serialization.get("name", name)), f"{where}.{name}")
        for name, member in shape.members.items()
    }
    return {name: member for name, member in members.items() if member is not None}


def _list(shape: Any, value: Any, where: str) -> list[Any]:
    _expect(value, list, "a list", where)
    return [_from_json(shape.member, item, f"{where}.{i}") for i, item in enumerate(value, start=1)]


def _map(shape: Any, value: Any, where: str) -> dict[str, Any]:
    _expect(value, dict, "an object", where)
    items = {key: _from_json(shape.value, item, f"{where}.{key}") for key, item in value.items()}
    return {key: item for key, item in items.items() if item is not None}


def _string(shape: Shape, value: Any, where: str) -> str:
    del shape
    _expect(value, str, "a string", where)
    return str(value)


def _integer(shape: Shape, value: Any, where: str) -> int:
    del shape
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise SerializationError(f"{where} must be a whole number.")
    return value


def _number(shape: Shape, value: Any, where: str) -> float:
    del shape
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise SerializationError(f"{where} must be a number.")
    return value


def _boolean(shape: Shape, value: Any, where: str) -> bool:
    del shape
    _expect(value, bool, "true or false", where)
    return bool(value)


def _timestamp(shape: Shape, value: Any, where: str) -> datetime:
    del shape
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise SerializationError(f"{where} must be a timestamp.")
    return _moment(value, where, SerializationError)


_FROM_JSON: dict[str, Callable[[Any, Any, str], Any]] = {
    "structure": _structure,
    "list": _list,
    "map": _map,
    "string": _string,
    "integer": _integer,
    "long": _integer,
    "float": _number,
    "double": _number,
    "boolean": _boolean,
    "timestamp": _timestamp,
}


def _from_text(shape: Any, text: str | None, where: str) -> Any:
    if text is None:
        return None
    match shape.type_name:
        case "integer" | "long":
            try:
                return int(text)
            except ValueError as exc:
                raise InvalidRequestError(f"{where} must be a whole number.") from exc
        case "boolean":
            if text.lower() not in ("true", "false"):
                raise InvalidRequestError(f"{where} must be true or false.")
            return text.lower() == "true"
        case "timestamp":
            try:
                return _moment(float(text), where, InvalidRequestError)
            except ValueError:
                return _moment(text, where, InvalidRequestError)
        case _:
            return text


def _moment(value: float | str, where: str, error: type[InvalidRequestError | SerializationError]) -> datetime:
    # Numbers are epoch seconds; text is ISO 8601. What no calendar holds is refused here, before anyone computes on it.
    try:
        if isinstance(value, str):
            moment = parse_timestamp(value)
            moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        elif math.isfinite(value):
            moment = datetime.fromtimestamp(value, UTC)
        else:
            raise error(f"{where} is not a moment in time.")
    except (ValueError, OverflowError, OSError) as exc:
        raise error(f"{where} is not a moment in time.") from exc
    if not _EARLIEST <= moment <= _LATEST:
        raise error(f"{where} is not a moment in time.")
    return moment


def _expect(value: Any, kind: type, word: str, where: str) -> None:
    if not isinstance(value, kind):
        raise SerializationError(f"{where} must be {word}.")


def epoch(moment: datetime) -> float:
    """Return epoch seconds with three decimals, as AWS's bodies carry times."""
    return round(moment.timestamp(), 3)


def encode(members: dict[str, Any]) -> bytes:
    """Return a response body."""
    return msgspec.json.encode(members)
