"""One question to AWS IoT: a call, or a list with all of its pages; asked once, answered by the journal after that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ddreport.aws.calls import Record, fetch_one, fetch_pages
from ddreport.aws.errors import THROTTLED_CODES
from ddreport.aws.inventory.journal import Entry
from ddreport.aws.raw import capture
from ddreport.errors import AwsCallError
from ddreport.tables.values import canonical_json, decode_json

if TYPE_CHECKING:
    from datetime import datetime

    from botocore.client import BaseClient

    from ddreport.aws.inventory.journal import Journal


class Questions:
    """Asks questions of one account and Region; may be used by several threads."""

    def __init__(self, client: BaseClient, journal: Journal) -> None:
        self._client = client
        self._journal = journal
        self._gone: set[str] = set()
        self.emulated = False

    def key(self, operation: str, **asked: Any) -> str:
        """Return what the journal calls a question."""
        return f"{operation} {canonical_json(asked)}"

    def is_answered(self, operation: str, **asked: Any) -> bool:
        """Return whether the journal has the answer."""
        return self.key(operation, **asked) in self._journal

    def one(self, operation: str, *, lasting: bool = False, **asked: Any) -> Record | None:
        """Return the answer of a call; None when AWS says that what it asks for is gone.

        Parameters
        ----------
        operation
            boto3's name, such as `describe_certificate`.
        lasting
            Whether the answer can never change.

        Raises
        ------
        AwsCallError, CredentialsError, EndpointError, ArchiveWriteError
            AWS refused or failed, or the answer could not be written down.
        """
        entry = self._answer(operation, asked, lasting=lasting)
        return None if entry is None else _decoded(entry)[0]

    def items(self, operation: str, member: str, **asked: Any) -> list[Any] | None:
        """Return the items of a list, which are in `member` of its pages; None when what it belongs to is gone."""
        entry = self._answer(operation, asked, lasting=False)
        if entry is None:
            return None
        return [item for page in _decoded(entry) for item in page.get(member) or []]

    def earlier(self, operation: str, *, than: datetime, **asked: Any) -> Record | None:
        """Return the answer that the journal has from before `than`, if there is one."""
        entry = self._journal.get(self.key(operation, **asked))
        return _decoded(entry)[0] if entry is not None and entry.time < than else None

    def forget(self, operation: str, **asked: Any) -> None:
        """Forget an answer of the journal, so that it is asked for again."""
        self._journal.forget(self.key(operation, **asked))

    def time(self, operation: str, **asked: Any) -> datetime:
        """Return when an answered question was answered, by AWS's clock."""
        entry = self._journal.get(self.key(operation, **asked))
        if entry is None:
            raise LookupError(operation)
        return entry.time

    def _answer(self, operation: str, asked: dict[str, Any], *, lasting: bool) -> Entry | None:
        key = self.key(operation, **asked)
        if key in self._gone:
            return None
        entry = self._journal.get(key)
        if entry is None:
            try:
                entry = self._ask(operation, asked)
            except AwsCallError as exc:
                if exc.code != "ResourceNotFoundException":
                    raise
                self._gone.add(key)  # deleted since it was listed
                return None
            self._journal.add(key, entry, lasting=lasting)
        self.emulated = self.emulated or entry.emulated
        return entry

    def _ask(self, operation: str, asked: dict[str, Any]) -> Entry:
        with capture(self._client) as seen:  # which keeps the answers
            if self._client.can_paginate(operation):
                for _ in fetch_pages(self._client, operation, **asked):
                    pass
            else:
                fetch_one(self._client, operation, **asked)
        return Entry(seen.first_time, seen.emulated, tuple(seen.responses))


def passes_by(exc: AwsCallError) -> bool:
    """Return whether a refusal is a matter of the moment (the rate, a fault of AWS), so that asking again may help."""
    return exc.code in THROTTLED_CODES or exc.code.startswith(("Internal", "ServiceUnavailable")) or exc.code.isdigit()


def _decoded(entry: Entry) -> list[Record]:
    return [
        {name: value for name, value in decode_json(response.body).items() if value is not None}
        for response in entry.responses
    ]
