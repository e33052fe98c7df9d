"""The commands that do what was clicked, as a shell takes them."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from ddreport.presentation.text import visible
from ddreport.widgets.mitigation_state import Options

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ddreport.widgets.mitigation_state import PanelState

LONGEST = 100_000
"""Characters of a command; systems take some more, but nobody looks at such a line."""

_PLAIN_NAME = re.compile(r"[\w.-]+")


def quote(word: str) -> str:
    r"""Return a word as a POSIX shell, bash or zsh reads it; what hides or steers in it is written as an escape.

    Examples
    --------
    >>> quote("plan.yaml"), quote("it's"), quote("a\u202eb")
    ('plan.yaml', "'it'\"'\"'s'", "$'a\\u202eb'")
    """
    if visible(word) == word:
        return shlex.quote(word)
    escaped = visible(word.replace("\\", "\\\\").replace("'", "\\'"))
    # What was a backslash before stays two; those that `visible` has added are the shell's own escapes.
    return f"$'{escaped}'"


def command_line(*words: str) -> str:
    """Return a command of these words."""
    return " ".join(quote(word) for word in words)


def plan_name(state: PanelState) -> str:
    """Return the file of the state's plan: where it is, or where it would be written."""
    return state.plan_path or (f"mitigation-{state.plan.short}.yaml" if state.plan else "plan.yaml")


def plan_command(state: PanelState) -> str | None:
    """Return the command that makes the plan of what was chosen; None before enough is.

    A plan that was opened from a file says itself what it was made of.
    """
    if state.check is None or not state.picked or not state.actions:
        return None
    words = ["ddreport", "mitigate", "plan", *_target(state), "--check", state.check]
    for problem in state.selection.problems:
        words += ["--problem", problem]
    for excluded in state.selection.excluded:
        words += ["--exclude", excluded]
    for action in state.actions:
        words += ["--action", action]
    words += [*_options(state.options), *_archive(state), "--out", plan_name(state)]
    text = command_line(*words)
    if len(text) > LONGEST:
        return None
    return text


def commands(state: PanelState) -> list[tuple[str, str]]:
    """Return what was clicked so far, and what can be clicked next, as commands with a title each."""
    return list(_commands(state))


def _commands(state: PanelState) -> Iterator[tuple[str, str]]:
    making = plan_command(state)
    if making:
        yield "Make the plan", making
    if state.plan is None:
        return
    name = plan_name(state)
    where = [*_named_target(state, state.plan.target), *_archive(state)]
    yield "Show it", command_line("ddreport", "mitigate", "show", name)
    if state.needs_approval:
        yield "Approve it", command_line("ddreport", "mitigate", "approve", name, *where)
    stopped = state.campaign is not None and state.campaign.stopped is not None
    go_on = ["--go-on"] if stopped and state.campaign and _stopped_by_failures(state) else []
    yield (
        ("Go on with it" if stopped else "Apply it"),
        command_line("ddreport", "mitigate", "apply", name, *go_on, *where),
    )
    if not state.is_begun:
        return
    yield "See how it stands", command_line("ddreport", "mitigate", "status", name, *_archive(state))
    if not state.is_over:
        yield "Cancel it", command_line("ddreport", "mitigate", "cancel", name, *where)
        return
    yield "Verify it", command_line("ddreport", "mitigate", "verify", name, *where)
    undo = state.rollback_path or (f"rollback-{state.rollback.short}.yaml" if state.rollback else "rollback.yaml")
    yield (
        "Plan the roll-back",
        command_line("ddreport", "mitigate", "rollback", "plan", name, *where, "--out", undo),
    )
    if state.rollback is not None:
        if state.rollback.approval.required or state.needs_approval:
            yield "Approve the roll-back", command_line("ddreport", "mitigate", "rollback", "approve", undo, *where)
        yield "Apply the roll-back", command_line("ddreport", "mitigate", "rollback", "apply", undo, *where)


def _stopped_by_failures(state: PanelState) -> bool:
    return bool(state.campaign and state.campaign.stopped and state.campaign.stopped.why.value == "FAILED_SHARE")


def _target(state: PanelState) -> list[str]:
    return ["--target", state.target]


def _named_target(state: PanelState, of_plan: str) -> list[str]:
    """Return the option, unless the plan's file says the same."""
    return [] if state.target == of_plan else _target(state)


def _archive(state: PanelState) -> list[str]:
    return ["--archive", state.archive] if state.archive else []


def _options(options: Options) -> Iterable[str]:
    usual = Options()
    if options.waves != usual.waves:
        yield from ("--waves", options.waves)
    if options.stop_at != usual.stop_at:
        yield from ("--stop-at", options.stop_at)
    for alarm in options.rollout().alarms:
        yield from ("--alarm", alarm)
    if options.wait_seconds:
        yield from ("--wait", str(options.wait_seconds))
    if options.require_approval:
        yield "--require-approval"
    if not options.with_impact:
        yield "--no-impact"


def define_command(state: PanelState, action_type: str) -> str:
    """Return the command that defines AWS's default action of a type, with its role."""
    kind = action_type.lower()
    words = ["ddreport", "actions", "defaults", "--type", kind, "--create-role", *_target(state), *_archive(state)]
    return command_line(*words)
