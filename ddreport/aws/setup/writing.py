"""Writing one change of a set-up, and waiting for IAM where a role is younger than what uses it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ddreport.aws.calls import fetch_one
from ddreport.errors import AwsCallError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ddreport.aws.session import AwsSession
    from ddreport.setup.changes import Call

IAM_SECONDS = 120.0
"""How long is waited until all of AWS knows a new role."""

_PAUSES = (1.0, 2.0, 4.0, 8.0)
"""Seconds between attempts; the last one again and again."""

_CANNOT_ASSUME = re.compile(r"assum|trust relationship|trust polic", re.IGNORECASE)

CONFLICTS = frozenset(
    {
        "ConflictException",
        "EntityAlreadyExists",
        "EntityAlreadyExistsException",
        "NoSuchEntity",
        "NoSuchEntityException",
        "NotFound",
        "NotFoundException",
        "ResourceAlreadyExistsException",
        "ResourceNotFoundException",
    }
)
"""Refusals that mean that what was read is not true any more: somebody else is at work, or an answer was lost."""


def write(
    session: AwsSession,
    call: Call,
    *,
    sleep: Callable[[float], None],
    clock: Callable[[], float],
    waiting: Callable[[str], None],
) -> None:
    """Make one call that writes.

    Changes the account. IAM tells the rest of AWS about a new role, or a new policy of it, within seconds to minutes;
    until then AWS IoT says that it cannot assume the role, and IAM itself may not find it. Both are tried again for
    `IAM_SECONDS`.

    Parameters
    ----------
    sleep, clock
        Wait for seconds; seconds that have passed, from any beginning.
    waiting
        Told in words what is waited for.

    Raises
    ------
    AwsCallError
        AWS refused or failed, also after waiting.
    """
    client = getattr(session, call.service)
    begin = clock()
    attempt = 0
    while True:
        try:
            fetch_one(client, call.method, **call.arguments)
        except AwsCallError as exc:
            why = _worth_waiting(call, exc)
            if why is None or clock() - begin >= IAM_SECONDS:
                raise
            waiting(f"{why}; waiting until IAM has told everybody ({clock() - begin:.0f} s)")
            sleep(_PAUSES[min(attempt, len(_PAUSES) - 1)])
            attempt += 1
        else:
            return


def _worth_waiting(call: Call, exc: AwsCallError) -> str | None:
    if call.service == "iot" and _CANNOT_ASSUME.search(exc.message):
        return "AWS IoT cannot assume the role yet"
    if call.service == "iam" and call.method != "create_role" and exc.code.startswith("NoSuchEntity"):
        return f"IAM does not find {call.arguments.get('RoleName')} yet"
    return None
