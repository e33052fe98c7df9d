"""How AWS is asked: whole lists, single records, errors translated; every `fetch_*` goes through here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ddreport.aws.errors import aws_errors
from ddreport.settings import PAGE_SIZE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from botocore.client import BaseClient

Record = dict[str, Any]
"""A record with AWS's own member names, as boto3 gives it."""


def fetch_pages(client: BaseClient, operation: str, **asked: Any) -> Iterator[Record]:
    """Yield the answers of a list operation (`list_audit_findings`), page by page, 250 items each."""
    paginator = client.get_paginator(operation)
    with aws_errors(client):
        yield from paginator.paginate(**asked, PaginationConfig={"PageSize": PAGE_SIZE})


def fetch_items(client: BaseClient, operation: str, key: str, **asked: Any) -> list[Record]:
    """Return all items of a list operation; `key` is the member that holds them. A refusal raises: never a part."""
    return [item for page in fetch_pages(client, operation, **asked) for item in page.get(key) or []]


def fetch_one(client: BaseClient, operation: str, **asked: Any) -> Record:
    """Return the answer of an operation that gives one record, without boto3's metadata."""
    with aws_errors(client):
        answer: Record = getattr(client, operation)(**asked)
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}
