"""The routes of the control API that let things go wrong, or go slower; `control` says what each expects."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from ddreport.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ddreport.emulation.emulator import Emulator

    Handler = Callable[[Emulator, dict[str, Any]], dict[str, Any]]

_MOST_SECONDS = 90 * 24 * 3600
_DURATIONS = {
    "auditSeconds": "audit_duration",
    "executionSeconds": "execution_duration",
    "dataCollectionSeconds": "data_collection",
}
_KINDS = {
    "latency": {"operation", "seconds", "times"},
    "error": {"operation", "code", "message", "times"},
    "drop": {"operation", "when", "times"},
    "check": {"checkName", "errorCode", "message", "account", "region"},
}


def _add(emulator: Emulator, body: dict[str, Any]) -> dict[str, Any]:
    kind = _text(body, "kind")
    if kind not in _KINDS:
        raise InputError(f"kind must be one of {', '.join(_KINDS)}.")
    unknown = body.keys() - _KINDS[kind] - {"kind"}
    if unknown:
        raise InputError(f"a fault of kind {kind} has no {', '.join(sorted(unknown))[:200]}.")
    # What is not given is left to the defaults of the Python API.
    texts = {name: _text(body, name) for name in body.keys() - {"kind", "seconds", "times"}}
    if kind == "check":
        return _add_check(emulator, texts)
    operation = texts.pop("operation", None)
    times = _times(body)
    if kind == "latency":
        return {"id": emulator.faults.delay(operation, seconds=_seconds(body, "seconds"), times=times)}
    if kind == "drop":
        when: Any = texts.get("when", "before")
        return {"id": emulator.faults.drop(operation, when=when, times=times)}
    return {"id": emulator.faults.refuse(operation, times=times, **texts)}


def _add_check(emulator: Emulator, texts: dict[str, str]) -> dict[str, Any]:
    if "checkName" not in texts:
        raise InputError("checkName must be a text that is not empty.")
    renamed = {"checkName": "check_name", "errorCode": "error_code"}
    emulator.fail_check(**{renamed.get(name, name): value for name, value in texts.items()})
    return {"checkName": texts["checkName"]}


def _list(emulator: Emulator, body: dict[str, Any]) -> dict[str, Any]:
    del body
    faults = [{"id": key} | fault.members() for key, fault in emulator.faults.active().items()]
    checks = [
        {"account": account, "region": region, "checkName": name, "errorCode": code, "message": message}
        for account, region, name, code, message in emulator.failing_checks()
    ]
    return {"faults": faults, "checks": checks}


def _clear(emulator: Emulator, body: dict[str, Any]) -> dict[str, Any]:
    if "id" in body:
        return {"cleared": emulator.faults.clear(_text(body, "id"))}
    cleared = emulator.faults.clear()
    for account, region, name, *_ in emulator.failing_checks():
        emulator.restore_check(name, account=account, region=region)
        cleared += 1
    return {"cleared": cleared}


def _settings(emulator: Emulator, body: dict[str, Any]) -> dict[str, Any]:
    unknown = body.keys() - _DURATIONS.keys() - {"throttle"}
    if unknown:
        known = ", ".join((*_DURATIONS, "throttle"))
        raise InputError(f"there is no setting {', '.join(sorted(unknown))[:200]}; there are: {known}.")
    throttle = body.get("throttle", emulator.throttle)
    if not isinstance(throttle, bool):
        raise InputError("throttle must be true or false.")
    durations = {name: timedelta(seconds=_seconds(body, name)) for name in _DURATIONS if name in body}
    for name, duration in durations.items():
        setattr(emulator, _DURATIONS[name], duration)
    emulator.throttle = throttle
    shown: dict[str, Any] = {
        name: getattr(emulator, attribute).total_seconds() for name, attribute in _DURATIONS.items()
    }
    return shown | {"throttle": emulator.throttle}


def _text(body: dict[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise InputError(f"{name} must be a text that is not empty.")
    return value


def _seconds(body: dict[str, Any], name: str) -> float:
    value = body.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= _MOST_SECONDS:
        raise InputError(f"{name} must be a number from 0 to {_MOST_SECONDS}.")
    return value


def _times(body: dict[str, Any]) -> int | None:
    value = body.get("times")
    if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
        raise InputError("times must be a whole number.")
    return value


ROUTES: dict[tuple[str, str], Handler] = {
    ("GET", "faults"): _list,
    ("POST", "faults"): _add,
    ("POST", "faults/clear"): _clear,
    ("POST", "settings"): _settings,
}
