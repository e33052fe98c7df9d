"""Turns everything that an emulator holds into bytes, and back, without running anything that the bytes ask for.

The bytes are a pickle, which alone is fast enough for a fleet of a hundred thousand certificates, but a tamed one, both
ways. A pickle may name any function of any module and have it called; here

- only names on a list are known: plain values of the standard library, and classes of the emulator and of those moto
  services that are saved. Anything else is refused, when saving as well as when loading;
- classes of moto and of the emulator are never called: in their place stands a shell that makes an empty object and
  takes no arguments, whose attributes are then filled in;
- what is wired rather than stored (backends, components, the emulator, locks) is not in the bytes at all. It is made
  anew by its own constructor, and only its attributes are filled in. An attribute that a later version adds keeps the
  value it is born with.
"""

from __future__ import annotations

import collections
import copyreg
import dataclasses
import datetime as dt
import decimal
import enum
import io
import pickle
import re
import sys
import threading
import uuid
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from moto.backends import get_backend
from moto.core.base_backend import BackendDict, BaseBackend
from moto.moto_api._internal import mock_random
from moto.s3.models import s3_backends

from ddreport.emulation.audit_backend import AuditBackend, audit_backends
from ddreport.emulation.service.component import Component
from ddreport.errors import EmulatorError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ddreport.emulation.emulator import Emulator

AUDIT = "audit"

SERVICES = ("iot", "iam", "sts", "sns", "sqs", "s3", "cognito-identity", "cloudwatch")
"""Services of moto whose state is saved, beside the audit's own."""

_PACKAGES = (
    "ddreport.emulation",
    "ddreport.terms",
    "moto.core",
    "moto.utilities",
    *(f"moto.{service.replace('-', '')}" for service in SERVICES),
)

_PLAIN: dict[tuple[str, str], Any] = {
    (kind.__module__, kind.__qualname__): kind
    for kind in (
        set,
        frozenset,
        bytearray,
        collections.Counter,
        collections.OrderedDict,
        collections.defaultdict,
        collections.deque,
        dt.date,
        dt.datetime,
        dt.time,
        dt.timedelta,
        dt.timezone,
        decimal.Decimal,
        uuid.UUID,
        # As arguments of defaultdict:
        dict,
        int,
        list,
        str,
    )
}

_FRESH: dict[str, Callable[[], Any]] = {
    "lock": threading.Lock,
    "RLock": threading.RLock,
    "Condition": threading.Condition,
    "Event": threading.Event,
}
_LOCKS = {type(make()): name for name, make in _FRESH.items()}

_WIRING: dict[type[BaseBackend], frozenset[str]] = {AuditBackend: frozenset({"operations", "_timed", "world"})}
"""Attributes of backends that lead somewhere instead of holding something: their constructors set them."""


class NotSavableError(EmulatorError):
    """The emulated account holds something that cannot be saved."""


def left_out() -> list[str]:
    """Return the names of moto's services that are in use but not saved."""
    # moto keeps no other list of the services in use.
    instances: list[BackendDict[Any]] = vars(BackendDict)["_instances"]
    used = {backends.service_name for backends in instances if backends}
    return sorted(used - set(SERVICES))


def encode(emulator: Emulator) -> bytes:
    """Return the state of all accounts and Regions as bytes; the emulator's lock must be held.

    Raises
    ------
    NotSavableError
        Something is neither data nor known wiring; the message names its type.
    """
    roots = dict(_roots())
    content = {
        "objects": {place: _attributes(root) for place, root in roots.items()},
        "chance": mock_random.getstate(),
        "faults": emulator.faults.active(),
    }
    buffer = io.BytesIO()
    try:
        pickler = _Pickler(buffer, emulator, roots)
        pickler.dump(content)
        pickler.dump(pickler.layouts())
    except (TypeError, pickle.PicklingError, RecursionError) as exc:
        raise NotSavableError(f"the emulator's state cannot be saved: {exc}.") from exc
    return buffer.getvalue()


def decode(data: bytes, emulator: Emulator) -> None:
    """Fill an empty emulator with a state; its lock must be held.

    Raises
    ------
    EmulatorError
        The bytes are no state, or name something that no state contains.
    """
    try:
        unpickler = _Unpickler(io.BytesIO(data), emulator)
        content = unpickler.load()
        unpickler.check_layouts(unpickler.load())
        for (service, account, region, part), attributes in content["objects"].items():
            vars(_root(service, account, region, part)).update(attributes)
        mock_random.setstate(content["chance"])
        emulator.faults.restore(content["faults"])
    except (
        pickle.UnpicklingError,
        ArithmeticError,
        AssertionError,
        AttributeError,
        EOFError,
        ImportError,
        LookupError,
        MemoryError,
        RecursionError,
        TypeError,
        ValueError,
        re.error,
    ) as exc:
        # All that damaged or foreign bytes can lead the unpickler to.
        raise EmulatorError(f"the saved state cannot be read: {type(exc).__name__}: {exc}.") from exc
    for account, region, backend in s3_backends.iter_backends():
        for name in backend.buckets:  # type: ignore[attr-defined]  # moto's iterator tells the base class only
            s3_backends.bucket_accounts[name] = (region, account)


# Wiring: backends, and the components of the audit


def _roots() -> Iterator[tuple[tuple[str, str, str, str], Any]]:
    """Yield every backend and every component by its place: service, account, Region and name of the part."""
    for service in (AUDIT, *SERVICES):
        for account, region, backend in _backends(service).iter_backends():
            yield (service, account, region, ""), backend
            for name, part in vars(backend).items():
                if isinstance(part, Component):
                    yield (service, account, region, name), part


def _root(service: str, account: str, region: str, part: str) -> Any:
    if service not in (AUDIT, *SERVICES) or not re.fullmatch(r"\d{12}", account):
        raise pickle.UnpicklingError(f"there is no place {service!r} of account {account!r}")
    backend = _backends(service)[account][region]
    if not part:
        return backend
    found = vars(backend)[part]
    if not isinstance(found, Component):
        raise pickle.UnpicklingError(f"{part!r} is no part of {service!r}")
    return found


def _backends(service: str) -> BackendDict[Any]:
    if service == AUDIT:
        return audit_backends
    # moto's overloads want the literal names one by one.
    find: Any = get_backend
    found: BackendDict[Any] = find(service)
    return found


def _attributes(root: Any) -> dict[str, Any]:
    wiring = _WIRING.get(type(root), frozenset())
    return {
        name: value for name, value in vars(root).items() if name not in wiring and not isinstance(value, Component)
    }


# The tamed pickle


class _Pickler(pickle.Pickler):
    def __init__(self, file: io.BytesIO, emulator: Emulator, roots: dict[tuple[str, str, str, str], Any]) -> None:
        super().__init__(file, protocol=5)
        self._emulator = emulator
        self._places = {id(root): place for place, root in roots.items()}
        self._allowed: set[type] = set()

    def reducer_override(self, obj: Any) -> Any:
        # Not asked for texts, numbers and the like, of which there are millions; `persistent_id` would be.
        if obj is _fill_mapping or obj is _reference:
            return NotImplemented
        reference = self._reference_to(obj)
        if reference is not None:
            return _reference, reference
        kind = obj if isinstance(obj, type) else type(obj)
        if kind not in self._allowed:
            name = (kind.__module__, kind.__qualname__)
            if name not in _PLAIN and not _is_ours(kind):
                raise pickle.PicklingError(f"{'.'.join(name)} is not data that a state may hold")
            self._allowed.add(kind)
        if isinstance(obj, dict) and _is_ours(kind):
            # Subclasses of dict may show other items than they hold (versions of S3's objects), so these are taken
            # and put back past the subclass.
            return (
                copyreg.__newobj__,  # type: ignore[attr-defined]  # missing in typeshed
                (kind,),
                (vars(obj), list(dict.items(obj))),
                None,
                None,
                _fill_mapping,
            )
        return NotImplemented

    def _reference_to(self, obj: Any) -> tuple[Any, ...] | None:
        kind = type(obj)
        if id(obj) in self._places:
            return ("root", *self._places[id(obj)])
        if obj is self._emulator:
            return ("emulator",)
        if kind in _LOCKS:
            return ("fresh", _LOCKS[kind])
        if kind is re.Pattern:
            return ("pattern", obj.pattern, obj.flags)
        return None

    def layouts(self) -> dict[tuple[str, str], list[str]]:
        """Return the names of the fields of every dataclass among the classes saved."""
        return {
            (kind.__module__, kind.__qualname__): [f.name for f in dataclasses.fields(kind)]
            for kind in self._allowed
            if dataclasses.is_dataclass(kind)
        }


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, emulator: Emulator) -> None:
        super().__init__(file)
        self._emulator = emulator
        self._found: dict[tuple[str, str], Any] = {(__name__, _reference.__name__): self._refer}

    def find_class(self, module: str, name: str) -> Any:
        key = (module, name)
        if key not in self._found:
            self._found[key] = _known(module, name)
        return self._found[key]

    def _refer(self, *reference: Any) -> Any:
        match reference:
            case ("emulator",):
                return self._emulator
            case ("root", str(service), str(account), str(region), str(part)):
                return _root(service, account, region, part)
            case ("fresh", str(kind)):
                return _FRESH[kind]()
            case ("pattern", str(text), int(flags)):
                return re.compile(text, flags)
        raise pickle.UnpicklingError(f"there is nothing called {reference!r}")

    def check_layouts(self, layouts: dict[tuple[str, str], list[str]]) -> None:
        """Refuse a state whose dataclasses lack a field that has no default, or that fill their fields by position."""
        for (module, name), fields in layouts.items():
            real = _class(module, name)
            known = [f.name for f in dataclasses.fields(real)]
            missing = set(known) - set(fields) - set(_defaults(real))
            if missing or (hasattr(real, "__setstate__") and known != fields):
                raise pickle.UnpicklingError(f"{name} has other fields in the version of ddreport that saved it")


def _is_ours(kind: type) -> bool:
    return any(kind.__module__ == package or kind.__module__.startswith(f"{package}.") for package in _PACKAGES)


def _known(module: str, name: str) -> Any:
    """Return what a name in the bytes means: a plain type, an enumeration, or a shell for a class of ours."""
    if (module, name) in _PLAIN:
        return _PLAIN[module, name]
    if (module, name) == (_fill_mapping.__module__, _fill_mapping.__name__):
        return _fill_mapping
    found = _class(module, name)
    return found if issubclass(found, enum.Enum) else _shell(found)


def _class(module: str, name: str) -> Any:
    if not any(module == package or module.startswith(f"{package}.") for package in _PACKAGES):
        raise pickle.UnpicklingError(f"{module}.{name} is not data that a state may hold")
    found: Any = sys.modules.get(module) or import_module(module)
    for step in name.split("."):
        found = vars(found)[step]
    # Not what a module has imported from elsewhere: the class must be at home here.
    if not isinstance(found, type) or (found.__module__, found.__qualname__) != (module, name):
        raise pickle.UnpicklingError(f"{module}.{name} is no class of the emulator")
    return found


class _NeverCalled(type):
    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        raise pickle.UnpicklingError(f"{cls.__name__} must not be called")


def _shell(real: type) -> type:
    """Return a stand-in for a class: makes its objects without running its code, and refuses to be called."""
    base: Any = next(b for b in real.__mro__ if b in (dict, list, tuple, str, int, float, object))

    defaults = _defaults(real)

    def new(cls: type, *args: Any) -> Any:
        del cls
        made = base.__new__(real, *args)
        for field, default in defaults.items():
            object.__setattr__(made, field, default())
        if hasattr(real, "dispose"):
            # S3's objects hold files open; moto finds and closes them by this list.
            vars(real)["instances_tracked"].append(made)
        return made

    return _NeverCalled(real.__name__, (), {"__new__": new})


def _defaults(real: type) -> dict[str, Callable[[], Any]]:
    """Return makers of the defaults of a dataclass: for fields that a saved object may not have yet."""
    found: dict[str, Callable[[], Any]] = {}
    for field in dataclasses.fields(real) if dataclasses.is_dataclass(real) else ():
        if field.default_factory is not dataclasses.MISSING:
            found[field.name] = field.default_factory
        elif field.default is not dataclasses.MISSING:
            found[field.name] = partial(_same, field.default)
    return found


def _same(value: Any) -> Any:
    return value


def _reference(*reference: Any) -> Any:
    """Stand in the bytes for what is wired; `_Unpickler` finds it again."""
    raise AssertionError(reference)


def _fill_mapping(mapping: Any, state: tuple[dict[str, Any], list[tuple[Any, Any]]]) -> None:
    attributes, items = state
    if not isinstance(mapping, dict):
        raise pickle.UnpicklingError(f"{type(mapping).__name__} is no mapping")
    vars(mapping).update(attributes)
    dict.update(mapping, items)
