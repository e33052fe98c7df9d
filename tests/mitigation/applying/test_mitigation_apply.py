"""Applying plans to an emulated account over HTTP: everything once, everything told, in the archive and the journal."""

from __future__ import annotations

from ddreport.archive import verify
from ddreport.mitigation.journal import OutcomeStatus


def test_a_plan_is_carried_out_wave_by_wave_and_everything_is_kept(site):
    plan = site.expiring_plan(30, waves=(1, 2))
    done = site.apply(plan)
    assert done.exit_code == 0
    assert done.counts == {OutcomeStatus.COMPLETED: 30}
    assert all(site.status_of(f.resource_id) == "INACTIVE" for f in plan.findings)
    assert site.watch.count("StartAuditMitigationActionsTask") == 4
    assert site.watch.count("ListAuditMitigationActionsExecutions") == 30
    assert {s.value["status"] for c in done.state.captured.values() for s in c.states} == {"ACTIVE"}
    kept = site.archive.load("mitigation_executions")
    assert sorted(kept["finding_id"]) == sorted(f.finding_id for f in plan.findings)
    assert set(kept["status"]) == {"COMPLETED"}
    found = verify(site.archive.path)
    assert (found.ok, found.warnings, found.notes) == (True, [], [])
