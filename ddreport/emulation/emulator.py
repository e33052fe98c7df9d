"""The emulator: one clock, one stream of events, and the accounts of an emulated AWS with Device Defender Audit.

A history of ninety days, in short:

    clock = ManualClock(datetime(2026, 3, 2, tzinfo=UTC))
    with Emulator(clock, seed=7) as emulator:
        emulator.iot().register_certificate_without_ca(pem, "ACTIVE")
        role = emulator.create_service_role("AuditRole", "AWSIoTDeviceDefenderAudit")
        emulator.call("UpdateAccountAuditConfiguration", roleArn=role, auditCheckConfigurations={...})
        emulator.call("CreateScheduledAudit", scheduledAuditName="Daily", frequency="DAILY", targetCheckNames=[...])
        emulator.advance(timedelta(days=90))           # ninety audits
        emulator.use_clock(RunningClock(clock.now()))  # and from here on it lives by itself
"""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from moto.iam.models import iam_backends
from moto.iot.models import iot_backends

from ddreport.catalogue import checks as catalogue
from ddreport.emulation import installation
from ddreport.emulation import world as worlds
from ddreport.emulation.audit_backend import AuditBackend, audit_backends
from ddreport.emulation.clock import ManualClock, RunningClock, utc
from ddreport.emulation.cloudwatch_backend import evaluate_alarms
from ddreport.emulation.faults import Faults
from ddreport.emulation.iam_backend import MANAGED_POLICIES
from ddreport.emulation.ids import HashIds
from ddreport.emulation.iot_backend import EmulatedIoTBackend
from ddreport.emulation.observations import Observations
from ddreport.emulation.request_rates import RequestRates
from ddreport.emulation.roles import service_trust
from ddreport.emulation.schedules import time_of_day
from ddreport.emulation.service_errors import ThrottlingError
from ddreport.errors import EmulatorError, InputError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime, time
    from types import TracebackType

    from moto.core.base_backend import BaseBackend

    from ddreport.emulation.clock import Clock
    from ddreport.emulation.faults import Outcome
    from ddreport.emulation.ids import IdSource
    from ddreport.emulation.state import Saved


class Emulator(Observations):
    """Owns everything that is emulated in this process; there is one at a time, a new one takes the place of the old.

    Parameters
    ----------
    clock
        The time of the emulated world.
    account, region
        Where the methods look when they are not told, and the account that any credentials reach.
    seed
        Same seed, same calls at the same emulated times: the same answers, byte for byte.
    audit_duration
        Emulated time that an audit takes; may be changed at any moment, for audits that start later.
    execution_duration
        Emulated time that one mitigation action on one finding takes.
    data_collection
        Emulated time after its enabling for which a check has no data yet and its audits wait; may be changed at any
        moment, for checks that are enabled later.
    throttle
        Whether requests over HTTP beyond AWS's published rates are refused; may be changed at any moment.
    schedule_time
        Time of day (UTC) of a scheduled audit by its name, as the service would choose it.
    id_source
        Maker of ids; None makes them from `seed`.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        account: str = "123456789012",
        region: str = "eu-west-1",
        seed: int = 0,
        audit_duration: timedelta = timedelta(seconds=1),
        execution_duration: timedelta = timedelta(milliseconds=100),
        data_collection: timedelta = timedelta(0),
        throttle: bool = False,
        schedule_time: Callable[[str], time] = time_of_day,
        id_source: IdSource | None = None,
    ) -> None:
        if not (len(account) == 12 and account.isdecimal()):
            raise InputError(f"the account is {account!r}; allowed: 12 digits.")
        self.account = account
        self.region = region
        self.seed = seed
        self.audit_duration = audit_duration
        self.execution_duration = execution_duration
        self.data_collection = data_collection
        self.throttle = throttle
        self.rates = RequestRates()
        self.faults = Faults()
        """Faults on demand."""
        self.schedule_time = schedule_time
        self.lock = threading.RLock()
        """Held while the emulated world changes; taken by every request."""
        self._clock = clock
        self._ids = id_source or HashIds(seed)
        self._event_time: datetime | None = None
        self.activity = 0
        """Grows with every request served, so that whoever saves the state knows whether there can be anything new."""
        self.on_save: Callable[[], Saved] | None = None
        """Saves the state on request; None where it is kept in no file."""
        self._requests = 0
        self._counting = threading.Lock()
        installation.install(self, seed=seed)
        if region not in iot_backends[account]:
            installation.uninstall()
            raise InputError(f"there is no AWS IoT in the Region {region!r}.", hint="eu-west-1 is one, for example.")

    @property
    def clock(self) -> Clock:
        """The clock in use."""
        return self._clock

    @property
    def ids(self) -> IdSource:
        """Maker of deterministic identifiers."""
        return self._ids

    def next_request(self) -> int:
        """Return a number that no other request has, for its id."""
        with self._counting:
            self._requests += 1
            return self._requests

    @property
    def request_count(self) -> int:
        """The number of the last request."""
        return self._requests

    def resume_requests(self, count: int) -> None:
        """Go on counting requests after `count`, as a saved state wants it."""
        with self._counting:
            self._requests = count

    def admit(self, account: str, region: str, operation: str) -> Outcome:
        """Count a request over HTTP and return what is to happen to it (`ThrottlingError` beyond the rate)."""
        if self.throttle and not self.rates.admit(account, region, operation):
            raise ThrottlingError("Rate exceeded")
        return self.faults.take(operation)

    def now(self) -> datetime:
        """Return the present moment; while an event is handled, the moment it was due."""
        return self._event_time or utc(self._clock.now())

    def __enter__(self) -> Emulator:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Take the emulator out of moto and forget everything; a second time does nothing."""
        if worlds.is_current(self):
            installation.uninstall()

    def reset(self, clock: Clock | None = None) -> None:
        """Forget everything, in all accounts and services; `clock` begins a new time, earlier ones included."""
        self._check_current()
        with self.lock:
            installation.reset(seed=self.seed)
            self.resume_requests(0)
            self.faults.clear()
            self.rates = RequestRates()
            self._clock = clock or self._clock

    def iot(self, account: str | None = None, region: str | None = None) -> EmulatedIoTBackend:
        """Return moto's IoT backend: things, groups, certificates, CAs, policies, role aliases."""
        self._check_current()
        backend = iot_backends[account or self.account][region or self.region]
        assert isinstance(backend, EmulatedIoTBackend)  # noqa: S101 (installed by us; tells mypy so)
        return backend

    def audit(self, account: str | None = None, region: str | None = None) -> AuditBackend:
        """Return the audit backend."""
        self._check_current()
        return audit_backends[account or self.account][region or self.region]

    def call(
        self, operation: str, /, *, account: str | None = None, region: str | None = None, **params: Any
    ) -> dict[str, Any]:
        """Carry out one operation of the audit API in this process, validated as on the wire.

        Takes the members as boto3 does (`datetime` for times) and returns what goes over the wire: times are epoch
        seconds. Whatever is due at the clock's time happens first.

        Raises
        ------
        ServiceError
            What AWS would refuse (`ddreport.emulation.service_errors`).
        InputError
            There is no such operation here.
        """
        with self.lock:
            self.tick()
            backend = self.audit(account, region)
            if operation not in backend.operations:
                raise InputError(
                    f"operation {operation!r} is not one of the audit API.{did_you_mean(operation, backend.operations)}"
                )
            return backend.call(operation, params)

    def create_service_role(self, name: str, *managed_policies: str, account: str | None = None) -> str:
        """Create an IAM role that AWS IoT may assume, with managed policies of the audit; return its ARN.

        Parameters
        ----------
        name
            Name of the role.
        managed_policies
            Names such as `AWSIoTDeviceDefenderAudit` (`iam_backend.MANAGED_POLICIES` has all).
        account
            The account; None means the emulator's.
        """
        self._check_current()
        for policy in managed_policies:
            if policy not in MANAGED_POLICIES:
                allowed = ", ".join(MANAGED_POLICIES)
                raise InputError(
                    f"managed policy {policy!r} is unknown; known: {allowed}.{did_you_mean(policy, MANAGED_POLICIES)}"
                )
        owner = account or self.account
        iam = iam_backends[owner]["aws"]
        role = iam.create_role(name, service_trust(owner), "/", None, "", [], "3600")
        for policy in managed_policies:
            iam.attach_role_policy(f"arn:aws:iam::aws:policy/service-role/{policy}", name)
        return role.arn

    def use_clock(self, clock: Clock) -> None:
        """Go on with another clock, which must not show an earlier moment than the present one (`EmulatorError`)."""
        with self.lock:
            if utc(clock.now()) < self.now():
                raise EmulatorError(
                    f"the new clock shows {clock.now().isoformat()}, but it is {self.now().isoformat()} already.",
                    hint="start the new clock at emulator.now() or later.",
                )
            self._clock = clock

    def advance_to(self, moment: datetime) -> None:
        """Move a `ManualClock` to `moment` through every event due on the way, in the order of time.

        Raises
        ------
        EmulatorError
            The clock in use is not a `ManualClock`.
        InputError
            `moment` is in the emulated past.
        """
        clock = self._clock
        if not isinstance(clock, ManualClock):
            raise EmulatorError(
                f"{type(clock).__name__} cannot be moved to a moment.", hint="use advance(), or a ManualClock."
            )
        moment = utc(moment)
        with self.lock:
            if moment >= clock.now():
                self._happen_until(moment, clock.set)
            clock.set(moment)

    def advance(self, by: timedelta) -> None:
        """Move the time forward by `by`, with every event on the way; works with both kinds of clock."""
        with self.lock:
            if isinstance(self._clock, ManualClock):
                self.advance_to(self._clock.now() + by)
            elif isinstance(self._clock, RunningClock):
                self._clock.advance(by)
                self.tick()
            else:
                raise EmulatorError(f"{type(self._clock).__name__} cannot be moved.")

    def tick(self) -> None:
        """Let everything happen that is due at the clock's time; each request begins with this."""
        with self.lock:
            if self._event_time is None:
                self._happen_until(utc(self._clock.now()), lambda _: None)

    def _happen_until(self, limit: datetime, move: Callable[[datetime], None]) -> None:
        """Handle the events due until `limit`, each at its own time."""
        self._check_current()
        while True:
            backends = [backend for _, _, backend in sorted(audit_backends.iter_backends(), key=_place)]
            waiting = [(due, i) for i, b in enumerate(backends) if (due := _audit(b).next_due()) is not None]
            due, index = min(waiting, default=(limit, -1))
            if index < 0 or due > limit:
                break
            move(due)
            self._event_time = due
            try:
                _audit(backends[index]).run_due(due)
                _audit(backends[index]).forget_old(due)
            finally:
                self._event_time = None
        for backend in backends:
            _audit(backend).forget_old(limit)
        evaluate_alarms(limit)

    def connect_device(
        self,
        certificate_id: str,
        client_id: str,
        connected: datetime,
        disconnected: datetime | None = None,
        *,
        account: str | None = None,
        region: str | None = None,
    ) -> None:
        """Record an MQTT connection; `disconnected` None means it is still open.

        A connection with a client id that is connected already ends the earlier one, as the broker does, and is what
        `CONFLICTING_CLIENT_IDS_CHECK` finds. Connections of one certificate with different client ids that overlap
        are what `DEVICE_CERTIFICATE_SHARED_CHECK` finds, two hours later.

        Raises
        ------
        InputError
            The connection ends before it begins, or a time has no zone.
        """
        begin = utc(connected, what="connected")
        end = utc(disconnected, what="disconnected") if disconnected is not None else None
        if end is not None and end < begin:
            raise InputError(f"the connection of {client_id!r} ends at {end.isoformat()}, before it begins.")
        with self.lock:
            self.audit(account, region).connections.add(certificate_id, client_id, begin, end)

    def fail_check(
        self,
        check_name: str,
        error_code: str = "INSUFFICIENT_PERMISSIONS",
        message: str = "",
        *,
        account: str | None = None,
        region: str | None = None,
    ) -> None:
        """Let a check FAIL in every audit in which it ends from now on, with this `errorCode` and `message`.

        Raises
        ------
        InputError
            AWS has no such check.
        """
        if check_name not in catalogue():
            raise InputError(f"there is no check {check_name!r}.{did_you_mean(check_name, catalogue())}")
        message = message or f"The emulator was told to let {check_name} fail."
        self.audit(account, region).audit_tasks.break_check(check_name, error_code, message)

    def failing_checks(self) -> list[tuple[str, str, str, str, str]]:
        """Return the checks that were told to fail: account, Region, name, error code, message."""
        return [
            (account, region, name, code, message)
            for account, region, backend in sorted(audit_backends.iter_backends(), key=_place)
            for name, (code, message) in _audit(backend).audit_tasks.broken_checks().items()
        ]

    def restore_check(self, check_name: str, *, account: str | None = None, region: str | None = None) -> None:
        """Undo `fail_check`."""
        self.audit(account, region).audit_tasks.repair_check(check_name)

    def cancel_audit(self, task_id: str, *, account: str | None = None, region: str | None = None) -> None:
        """Cancel a running audit: checks that have ended stay, the others become CANCELED."""
        self.call("CancelAuditTask", account=account, region=region, taskId=task_id)

    def _check_current(self) -> None:
        if not worlds.is_current(self):
            raise EmulatorError(
                "this emulator was closed, or another one has taken its place in this process.",
                hint="use the newer one, or create this one again.",
            )


def _place(item: tuple[str, str, BaseBackend]) -> tuple[str, str]:
    return item[0], item[1]


def _audit(backend: BaseBackend) -> AuditBackend:
    assert isinstance(backend, AuditBackend)  # noqa: S101 (nothing else is in audit_backends; tells mypy so)
    return backend
