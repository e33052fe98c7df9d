"""Ways to send a message: SNS, mail by SMTP with STARTTLS, a webhook. Secrets are in no file, no log and no message."""

from __future__ import annotations

import hashlib
import ipaddress
import json
import re
import smtplib
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from ddreport.errors import AwsError, InputError, NotificationError
from ddreport.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from http.client import HTTPMessage

    from botocore.client import BaseClient

    from ddreport.notification.message import Message

SECONDS = 30.0
"""How long an answer is waited for."""

_TOPIC = re.compile(r"arn:aws[a-z-]*:sns:([a-z0-9-]+):\d{12}:[A-Za-z0-9_-]{1,256}")
_MAIL = re.compile(r"[^@\s<>\"',;:]+@[^@\s<>\"',;:]+")


class Channel(Protocol):
    """One receiver."""

    @property
    def name(self) -> str:
        """How it is called where people see it; never a secret."""

    @property
    def key(self) -> str:
        """What it is remembered by; from it nobody can tell a secret."""

    def send(self, message: Message) -> None:
        """Send a message (`NotificationError`, `AwsError`)."""


def _key(kind: str, address: str) -> str:
    return f"{kind}:{hashlib.sha256(address.encode()).hexdigest()[:16]}"


@dataclass(frozen=True)
class Topic:
    """An SNS topic; `connect` gives a client of the topic's Region. Permission: `sns:Publish` on it."""

    arn: str
    connect: Callable[[str], AbstractContextManager[BaseClient]] = field(repr=False)

    def __post_init__(self) -> None:
        if not _TOPIC.fullmatch(self.arn):
            raise InputError(f"--sns is {self.arn!r}; allowed: the ARN of a topic that is no FIFO topic.")

    @property
    def name(self) -> str:
        """Its ARN."""
        return self.arn

    @property
    def key(self) -> str:
        """What it is remembered by."""
        return _key("sns", self.arn)

    def send(self, message: Message) -> None:
        """Publish the text; the JSON's facts for filters are attributes."""
        from ddreport.aws.calls import fetch_one

        found = _TOPIC.fullmatch(self.arn)
        region = found[1] if found else ""
        attributes = {
            "ddreport_id": {"DataType": "String", "StringValue": message.id},
            "worse": {"DataType": "String", "StringValue": str(message.data["worse"]).lower()},
        }
        with self.connect(region) as client:
            fetch_one(
                client,
                "publish",
                TopicArn=self.arn,
                Subject=message.subject,
                Message=message.text,
                MessageAttributes=attributes,
            )


@dataclass(frozen=True)
class Mail:
    """People by mail. Without STARTTLS nothing is sent; a password needs a user.

    Attributes
    ----------
    password
        From the environment only; shown nowhere.
    """

    to: str
    sender: str
    host: str
    port: int = 587
    user: str = ""
    password: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        for option, address in (("--email", self.to), ("--smtp-from", self.sender)):
            if not _MAIL.fullmatch(address):
                raise InputError(f"{option} is {address!r}; allowed: one e-mail address.")
        if not self.host:
            raise InputError("--email needs the mail server.", hint="give --smtp-host, and --smtp-from.")
        if bool(self.user) != bool(self.password):
            raise InputError(
                "--smtp-user and the password in DDREPORT_SMTP_PASSWORD belong together; one is missing.",
                hint="give both, or neither for a server that asks for none.",
            )

    @property
    def name(self) -> str:
        """The address."""
        return self.to

    @property
    def key(self) -> str:
        """What it is remembered by."""
        return _key("email", self.to)

    def send(self, message: Message) -> None:
        """Send a mail with the text, and the JSON attached."""
        mail = EmailMessage()
        mail["Subject"], mail["From"], mail["To"] = message.subject, self.sender, self.to
        mail["Message-ID"] = f"<{message.id}.{self.key.partition(':')[2]}@ddreport.invalid>"
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(message.text)
        mail.add_attachment(
            json.dumps(message.data, indent=2).encode(), maintype="application", subtype="json", filename="change.json"
        )
        try:
            with smtplib.SMTP(self.host, self.port, timeout=SECONDS) as server:
                server.starttls(context=ssl.create_default_context())
                if self.user:
                    server.login(self.user, self.password)
                server.send_message(mail)
        except (OSError, smtplib.SMTPException) as exc:
            raise NotificationError(
                f"the mail server {self.host}:{self.port} did not take the message: {_said(exc)}.",
                hint="check host, port, user and DDREPORT_SMTP_PASSWORD; the server must offer STARTTLS with a "
                "certificate that this machine trusts.",
            ) from None  # what a server says may repeat what was sent to it


def _said(exc: Exception) -> str:
    """Say what went wrong, without what the server wrote."""
    if isinstance(exc, smtplib.SMTPResponseException):
        return f"{type(exc).__name__} {exc.smtp_code}"
    if isinstance(exc, ssl.SSLError):
        return f"its certificate is not trusted ({exc.reason})"
    if isinstance(exc, OSError) and exc.strerror:
        return exc.strerror
    return type(exc).__name__


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        """Follow nobody: a message goes where it was sent, or not at all."""


@dataclass(frozen=True)
class Webhook:
    """An address that takes JSON by POST. Its path and query may be a secret: only the host is ever shown."""

    url: str = field(repr=False)

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if not parts.hostname or not (parts.scheme == "https" or (parts.scheme == "http" and self._is_here)):
            raise InputError("--webhook must be an https:// address (http:// only for this machine).")
        if parts.username or parts.password:
            raise InputError("--webhook holds a user name or password.", hint="leave out what stands before the @.")

    @property
    def _is_here(self) -> bool:
        host = urlsplit(self.url).hostname or ""
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"

    @property
    def name(self) -> str:
        """The host."""
        return f"webhook at {urlsplit(self.url).hostname}"

    @property
    def key(self) -> str:
        """What it is remembered by."""
        return _key("webhook", self.url)

    def send(self, message: Message) -> None:
        """Send the JSON; `Idempotency-Key` is the id of the message."""
        body = {"subject": message.subject, "text": message.text, **message.data}
        request = urllib.request.Request(  # noqa: S310 - the scheme was checked
            self.url,
            data=json.dumps(body).encode(),
            method="POST",
            headers={
                "Content-Type": "application/json",
                "Idempotency-Key": message.id,
                "User-Agent": f"ddreport/{__version__}",
            },
        )
        handlers: list[urllib.request.BaseHandler] = [_NoRedirect()]
        if self._is_here:
            handlers.append(urllib.request.ProxyHandler({}))
        try:
            with urllib.request.build_opener(*handlers).open(request, timeout=SECONDS):
                pass
        except urllib.error.HTTPError as exc:
            exc.close()
            raise NotificationError(
                f"the {self.name} answered {exc.code}.", hint="check the address; redirects are not followed."
            ) from None  # urllib's own text has the address in it
        except (OSError, ValueError) as exc:
            reason = getattr(exc, "reason", exc)
            said = reason.strerror if isinstance(reason, OSError) and reason.strerror else type(reason).__name__
            raise NotificationError(
                f"the {self.name} cannot be reached: {said}.", hint="check the address and the network."
            ) from None


FAILURES = (NotificationError, AwsError)
"""What sending may raise."""
