"""The stage: plays the script on the emulator, over HTTP, and pulls it into one archive as a user would."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import boto3
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ddreport.progress import NoProgress
from ddreport.settings import Settings
from ddreport.targets import Target
from ddreport.workflows.history import follow
from ddreport.workflows.pull import pull

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from ddreport.archive import Archive
    from ddreport.emulation import Emulator

FOLLOWED_FROM = 350
"""From this day on somebody looks at the history after each pull, so that it is extended each time."""

KEY = ec.generate_private_key(ec.SECP256R1())


class Stage:
    """Carries out what the script says, in the order of time."""

    def __init__(self, script: ModuleType, emulator: Emulator, endpoint: str, archive: Archive, cache: Any) -> None:
        self.script, self.story = script, script.STORY
        self.emulator, self.endpoint, self.archive = emulator, endpoint, archive
        self.settings = Settings(cache=cache)
        self.clients = {place: self._client(place) for place in self.story.places}
        self.certificates: dict[str, str] = {}
        self.statuses: list[Any] = []
        self.followed: Any = None
        self.events: list[tuple[float, int, Callable[[], Any]]] = []

    def play(self) -> None:
        """Play everything."""
        for place in self.story.places:
            self._at(0, self._set_up, place)
        self._plan_devices()
        self._plan_audits()
        for day in self.story.pulls:
            self._at(day, self._pull, day)
        for day, _, happen in sorted(self.events, key=lambda event: event[:2]):
            if day <= self.script.LAST_DAY:
                self.emulator.advance_to(self.script.at(day))
                happen()

    def close(self) -> None:
        """Close the connections."""
        for client in self.clients.values():
            client.close()

    def _at(self, day: float, what: Callable[..., Any], *args: Any, **options: Any) -> None:
        self.events.append((day, len(self.events), lambda: what(*args, **options)))

    def _client(self, place: Any) -> Any:
        keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
        if place.account != self.emulator.account:
            sts = boto3.client("sts", endpoint_url=self.endpoint, region_name=place.region, **keys)
            role = f"arn:aws:iam::{place.account}:role/Reader"
            given = sts.assume_role(RoleArn=role, RoleSessionName="story")["Credentials"]
            sts.close()
            keys = {
                "aws_access_key_id": given["AccessKeyId"],
                "aws_secret_access_key": given["SecretAccessKey"],
                "aws_session_token": given["SessionToken"],
            }
        return boto3.client("iot", endpoint_url=self.endpoint, region_name=place.region, **keys)

    # Accounts and devices

    def _set_up(self, place: Any) -> None:
        role = self.emulator.create_service_role(
            f"Audit-{place.name}", "AWSIoTDeviceDefenderAudit", account=place.account
        )
        checks = {name for schedule in self.story.schedules if schedule.place == place for name in schedule.checks}
        self.clients[place].update_account_audit_configuration(
            roleArn=role, auditCheckConfigurations={name: {"enabled": True} for name in sorted(checks)}
        )
        self._set_logging(place, "WARN")

    def _set_logging(self, place: Any, level: str) -> None:
        role = f"arn:aws:iam::{place.account}:role/Logs"
        self.clients[place].set_v2_logging_options(roleArn=role, defaultLogLevel=level)

    def _plan_devices(self) -> None:
        story = self.story
        for certificate in story.certificates:
            self._at(0, self._register, certificate)
            self._at(certificate.gone, self._retire, certificate)
        for policy in story.policies:
            for number, (day, change) in enumerate(policy.changes):
                self._at(day, self._change_policy, policy, change, first=number == 0)
            self._at(policy.deleted, self.clients[policy.place].delete_policy, policyName=policy.name)
        for span in story.logging_off:
            self._at(span.begins, self._set_logging, span.place, "DISABLED")
            self._at(span.ends, self._set_logging, span.place, "WARN")
        for sharing in story.sharing:
            self._at(sharing.ends, self._share, sharing)

    def _register(self, certificate: Any) -> None:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, certificate.name)])
        serial = int.from_bytes(certificate.name.encode(), "big")
        begin, end = self.script.at(-300), self.script.at(certificate.expires)
        made = x509.CertificateBuilder(name, name, KEY.public_key(), serial, begin, end).sign(KEY, hashes.SHA256())
        pem = made.public_bytes(serialization.Encoding.PEM).decode()
        answer = self.clients[certificate.place].register_certificate_without_ca(certificatePem=pem, status="ACTIVE")
        self.certificates[certificate.name] = answer["certificateId"]

    def _retire(self, certificate: Any) -> None:
        client, number = self.clients[certificate.place], self.certificates[certificate.name]
        client.update_certificate(certificateId=number, newStatus="INACTIVE")
        if certificate.deleted:
            client.delete_certificate(certificateId=number)

    def _change_policy(self, policy: Any, change: str | int, *, first: bool) -> None:
        client = self.clients[policy.place]
        if isinstance(change, int):
            client.set_default_policy_version(policyName=policy.name, policyVersionId=str(change))
            return
        arn = f"arn:aws:iot:{policy.place.region}:{policy.place.account}:client/one"
        action, resource = ("iot:*", "*") if change == self.script.OPEN else ("iot:Connect", arn)
        statement = {"Effect": "Allow", "Action": action, "Resource": resource}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        if first:
            client.create_policy(policyName=policy.name, policyDocument=document)
        else:
            client.create_policy_version(policyName=policy.name, policyDocument=document, setAsDefault=True)

    def _share(self, sharing: Any) -> None:
        place, certificate = sharing.place, self.certificates[sharing.certificate]
        begin, end = self.script.at(sharing.begins), self.script.at(sharing.ends)
        for client in ("one", "two"):
            where = {"account": place.account, "region": place.region}
            self.emulator.connect_device(certificate, client, begin, end, **where)

    # Audits

    def _plan_audits(self) -> None:
        story = self.story
        for span in story.failing:
            where = {"account": span.place.account, "region": span.place.region}
            self._at(span.begins, self.emulator.fail_check, span.check, "INSUFFICIENT_PERMISSIONS", **where)
            self._at(span.ends, self.emulator.restore_check, span.check, **where)
        for day, place, days in story.thresholds:
            configuration = {"CERT_EXPIRATION_THRESHOLD_IN_DAYS": str(days)}
            self._at(
                day, self._configure, place, {self.script.EXPIRING: {"enabled": True, "configuration": configuration}}
            )
        for span in story.switched_off:
            self._at(span.ends, self._configure, span.place, {span.check: {"enabled": True}})
        for schedule in story.schedules:
            self._at(schedule.begins, self._schedule, schedule)
            others = [s for s in story.schedules if s.place == schedule.place and s.begins == schedule.ends]
            if not others:
                client = self.clients[schedule.place]
                self._at(schedule.ends, client.delete_scheduled_audit, scheduledAuditName=schedule.name)
        for span in story.switched_off:
            self._at(span.begins, self._configure, span.place, {span.check: {"enabled": False}})
        for suppression in story.suppressions:
            self._at(suppression.begins, self._suppress, suppression)
            if not suppression.by_itself:
                self._at(suppression.ends, self._unsuppress, suppression)
        for audit in story.on_demand:
            self._at(audit.day, self._start, audit)

    def _configure(self, place: Any, checks: dict[str, Any]) -> None:
        self.clients[place].update_account_audit_configuration(auditCheckConfigurations=checks)

    def _schedule(self, schedule: Any) -> None:
        client = self.clients[schedule.place]
        known = [s["scheduledAuditName"] for s in client.list_scheduled_audits()["scheduledAudits"]]
        asked = {"scheduledAuditName": schedule.name, "targetCheckNames": list(schedule.checks)}
        asked["frequency"] = schedule.frequency
        if schedule.weekday:
            asked["dayOfWeek"] = schedule.weekday
        (client.update_scheduled_audit if schedule.name in known else client.create_scheduled_audit)(**asked)

    def _resource(self, suppression: Any) -> dict[str, Any]:
        version = {"policyName": suppression.policy, "policyVersionId": suppression.version}
        return {"checkName": self.script.POLICY, "resourceIdentifier": {"policyVersionIdentifier": version}}

    def _suppress(self, suppression: Any) -> None:
        end = {"expirationDate": self.script.at(suppression.ends)} if suppression.by_itself else {}
        asked = self._resource(suppression) | (end or {"suppressIndefinitely": True})
        self.clients[suppression.place].create_audit_suppression(clientRequestToken=f"s{suppression.begins}", **asked)

    def _unsuppress(self, suppression: Any) -> None:
        self.clients[suppression.place].delete_audit_suppression(**self._resource(suppression))

    def _start(self, audit: Any) -> None:
        client = self.clients[audit.place]
        task = client.start_on_demand_audit_task(targetCheckNames=list(audit.checks))["taskId"]
        if audit.completed is not None:
            # An audit takes a second and does one check after the other.
            share = 1 / len(audit.checks)
            seconds = share * (len(audit.completed) + 0.5)
            self.emulator.advance_to(self.script.at(audit.day + seconds / 86400))
            client.cancel_audit_task(taskId=task)

    def _pull(self, day: float) -> None:
        targets = []
        for place in self.story.places:
            role = f"arn:aws:iam::{place.account}:role/Reader" if place.account != self.emulator.account else None
            if day <= place.until:
                targets.append(Target(place.name, region=place.region, endpoint_url=self.endpoint, role_arn=role))
        result = pull(targets, self.archive, settings=self.settings, progress=NoProgress())
        self.statuses += result.statuses
        if day >= FOLLOWED_FROM:
            self.followed = follow(self.archive)
