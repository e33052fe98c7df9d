"""The steps of a target's pull: audits, mitigation tasks, and the state of the account."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ddreport.errors import AuditNotConfiguredError

if TYPE_CHECKING:
    from ddreport.workflows.pulling.target import Step, TargetPull


def pull_audits(pull: TargetPull) -> None:
    """Archive the audits of the window that ended and are not archived, each with its findings."""
    from ddreport.aws.audits import fetch_audit, fetch_audit_tasks

    def fetch(task: str) -> None:
        audit = fetch_audit(pull.session.iot, task, **pull.place)
        if audit is None:
            pull.count(running_audits_count=1, missing_audits_count=-1)
        elif pull.append(audit):
            findings = audit.tables["findings"].num_rows
            pull.count(new_audits_count=1, new_findings_count=findings, missing_audits_count=-1)
        else:  # another pull was faster
            pull.count(known_audits_count=1, missing_audits_count=-1)

    pull.stage("listing audits")
    listed = fetch_audit_tasks(pull.session.iot, **pull.window)
    new = pull.not_archived("audit", listed)
    pull.status.audits_listed = True
    pull.count(known_audits_count=len({task["taskId"] for task in listed}) - len(new), missing_audits_count=len(new))
    pull.stage("audits with their findings", len(new))
    pull.each(new, fetch)


def pull_mitigations(pull: TargetPull) -> None:
    """Archive the mitigation tasks of the window that ended and are not archived, each with its executions."""
    from ddreport.aws.mitigations import fetch_mitigation, fetch_mitigation_tasks

    def fetch(task: str) -> None:
        mitigation = fetch_mitigation(pull.session.iot, task, **pull.place)
        if mitigation is not None and pull.append(mitigation):
            pull.count(new_mitigation_tasks_count=1)

    pull.stage("listing mitigation tasks")
    new = pull.not_archived("mitigation", fetch_mitigation_tasks(pull.session.iot, **pull.window))
    pull.stage("mitigation tasks with their executions", len(new))
    pull.each(new, fetch)


def pull_state(pull: TargetPull) -> None:
    """Archive configuration, schedules, suppressions and actions, where they differ from what was seen last."""
    from ddreport.aws.configuration import fetch_state

    status = pull.status
    pull.stage("configuration, schedules, suppressions, actions")
    state = fetch_state(pull.session.iot, **pull.place)
    pull.stop.check()
    status.state_seen = True
    status.state_changed = pull.archive.append_state(state, pulled_time=pull.identity.as_of)
    configured = state.tables["account_configurations"].column("configured")[0].as_py()
    if not configured and status.new_audits_count + status.known_audits_count == 0:
        status.note(
            AuditNotConfiguredError(
                f"Device Defender Audit was never enabled in account {state.account}, Region {state.region}.",
                hint="enable checks and a schedule in the console (IoT Core, Security, Audit), or choose another "
                "Region.",
            )
        )


STEPS: tuple[Step, ...] = (pull_audits, pull_mitigations, pull_state)
"""What every pull does, in this order."""
