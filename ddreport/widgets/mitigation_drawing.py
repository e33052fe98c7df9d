"""How the mitigation panel shows a state: only what has changed is made anew."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ddreport.mitigation.defaults import DEFAULT_ACTIONS
from ddreport.mitigation.results import outcome_rows
from ddreport.terms import MitigationActionType
from ddreport.widgets import mitigation_guards as guards
from ddreport.widgets import mitigation_words as words
from ddreport.widgets import mitigation_work as work
from ddreport.widgets.base import Blocks, ipywidgets
from ddreport.widgets.blocks import details
from ddreport.widgets.mitigation_parts import PanelParts, button, tick_box
from ddreport.widgets.mitigation_state import PanelState, Work, choice_label
from ddreport.widgets.rows import Column

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pandas as pd

_SHOWN_FINDINGS = ("severity", "resource_type", "resource_id", "reason_code", "finding_time", "expiration_time")
_OUTCOMES = (
    Column("wave", "Wave", "number", 60),
    Column("status", "Status", "word", 110, levels=words.STATUS_LEVELS),
    Column("resource_id", "Resource", "id", 200),
    Column("action_name", "Action", "word", 160),
    Column("explanation", "What that means", "text", 220),
    Column("message", "AWS says", "text", 120),
    Column("advice", "What to do", "text", 150),
)
_EFFECTS = (
    Column("effect", "Effect", "word", 110, levels=words.STATUS_LEVELS),
    Column("resource_id", "Resource", "id", 200),
    Column("reason_code", "Reason", "word", 190),
    Column("read_back", "Resource read back", "word", 150),
    Column("why", "Why", "text", 260),
)


class PanelDrawing(PanelParts):
    """A panel that shows states."""

    def __init__(self) -> None:
        super().__init__()
        self._drawing = False
        self._memo: dict[str, tuple[Any, ...]] = {}

    def _on(self, step_of: Callable[[Any], work.Step]) -> Callable[[Mapping[str, Any]], None]:
        """Return a handler of a field: it takes the step of what was typed or chosen."""
        raise NotImplementedError

    def _define(self, kind: str) -> None:
        """Define the default action of a type."""
        raise NotImplementedError

    def _draw(self, state: PanelState) -> None:
        self._drawing = True
        try:
            self._draw_head(state)
            self._draw_choice(state)
            self._draw_plan(state)
            self._draw_campaign(state)
            self._draw_after(state)
            if self._is_new(
                "commands",
                state.selection,
                state.actions,
                state.options,
                state.plan,
                state.plan_path,
                state.campaign,
                state.rollback,
                state.rollback_path,
            ):
                self.commands.show(details("Show command", words.command_part(state)))
        finally:
            self._drawing = False

    def _is_new(self, part: str, *facts: Any) -> bool:
        """Tell whether a part must be made anew: it is not while what it is made of is the very same."""
        before = self._memo.get(part)
        self._memo[part] = facts
        return before is None or any(a is not b and a != b for a, b in zip(before, facts, strict=True))

    def _draw_head(self, state: PanelState) -> None:
        idle = state.busy is None
        self.head.show(*words.head(state))
        self.trouble.show(*words.trouble(state))
        self.working.show(*words.working(state))
        stoppable = state.busy is not None and state.busy.work in (Work.APPLY, Work.APPLY_ROLLBACK)
        _visible(self.stop_button, on=stoppable)
        self.stop_button.disabled = bool(state.busy and state.busy.stopping)
        _visible(self.reload_button, on=state.plan is None)
        self.reload_button.disabled = not idle
        if self._is_new("opening", state.known, state.plan is None):
            self.unfinished.show(*words.unfinished(state))
            options = _openable(state)
            self.open_choice.options = options
            self.open_choice.value = options[0][1] if options else None
            _visible(self._opening, on=bool(options) and state.plan is None)
        self.open_button.disabled = not idle

    def _draw_choice(self, state: PanelState) -> None:
        known = state.known
        locked = state.busy is not None or state.is_begun
        _visible(self._choosing, on=known is not None and bool(known.checks) and not state.is_begun)
        if known is None:
            return
        if self._is_new("checks", known):
            options = [("Choose a check", None), *((choice_label(c), c.name) for c in known.checks)]
            self.check_choice.options = options
            self._memo.pop("check", None)
        self.check_choice.value = state.check
        self.check_choice.disabled = locked
        if self._is_new("check", known, state.check):
            self.check_help.show(*words.check_help(state))
            rows = state.findings
            if rows is not None:
                self.findings.show(rows[[c for c in ("problem_id", *_SHOWN_FINDINGS, "is_suppressed") if c in rows]])
            _visible(self.findings, on=rows is not None)
        if tuple(self.findings.selected_keys) != state.picked:
            self.findings.select(state.picked)
        self.findings.selectable = not locked
        self.picked.show(*words.picked(state))
        self._draw_actions(state, locked=locked)
        _visible(self.options, on=self.options_button.value)
        typed = state.options
        for widget, value in (
            (self.waves, typed.waves),
            (self.stop_at, typed.stop_at),
            (self.alarms, typed.alarms),
            (self.rest, typed.wait_seconds),
            (self.second_person, typed.require_approval),
            (self.with_impact, typed.with_impact),
        ):
            widget.value = value
            widget.disabled = locked

    def _draw_actions(self, state: PanelState, *, locked: bool) -> None:
        if self._is_new("actions", state.check, state.known.actions if state.known else ()):
            self.action_boxes = {}
            parts: list[Any] = []
            for action in state.fitting:
                box = tick_box(f"{action.name} ({action.action_type})")
                box.observe(self._on(partial(_with_action, action.name)), "value")
                self.action_boxes[action.name] = box
                help_text = Blocks()
                help_text.show(*words.action_help(action))
                parts.append(ipywidgets.VBox([box, help_text]))
            self.actions.children = parts
            self.define_buttons.children = [self._define_button(kind) for kind in words.missing(state)]
        for name, box in self.action_boxes.items():
            box.value = name in state.actions
            box.disabled = locked
        self.actions_note.show(*words.actions_note(state))
        off = locked or state.looking_only is not None
        for one in self.define_buttons.children:
            one.disabled = off
        _visible(self.define_buttons, on=state.looking_only is None)
        self.ask_actions_button.disabled = locked
        _visible(self.ask_actions_button, on=state.check is not None)

    def _define_button(self, kind: str) -> Any:
        name = DEFAULT_ACTIONS[MitigationActionType(kind)].name
        made = button(f"Define {name}", "Changes the account: defines the action and makes the role that it runs as")
        made.on_click(lambda _: self._define(kind))
        return made

    def _draw_plan(self, state: PanelState) -> None:
        now = work.now()
        plan = state.plan
        _visible(self._planning, on=plan is not None or (state.known is not None and bool(state.known.checks)))
        self.plan_button.disabled = guards.why_not_plan(state) is not None
        _visible(self.plan_button, on=not state.is_begun)
        if plan is None or self._is_new("plan", plan, state.plan_path):
            self.plan_part.show(*words.plan_part(state))
            self._memo["plan"] = (plan, state.plan_path)
        _visible(self._launching, on=plan is not None and not state.is_over)
        if plan is None:
            return
        self.approval.show(*words.approval_part(state, now))
        needs = state.needs_approval and not state.is_over
        idle = state.busy is None
        _visible(self.save_button, on=not state.read_only and state.plan_path is None and bool(plan.findings))
        _visible(self.approve_button, on=needs and not state.read_only and state.approval is None)
        _visible(self.approval_button, on=needs and not state.read_only)
        for one in (self.save_button, self.approve_button, self.approval_button):
            one.disabled = not idle
        self.launch.show(*words.launch_part(state, now))
        self.confirm.description = f"Type {state.confirmation} to confirm"
        self.confirm.value = state.typed
        self.confirm.disabled = state.looking_only is not None or not idle or not plan.findings
        self.apply_button.description = "Go on" if state.is_begun else "Apply"
        self.apply_button.disabled = guards.why_not_apply(state, now) is not None
        stopped = state.campaign.stopped if state.campaign else None
        _visible(self.go_on, on=stopped is not None and stopped.why.value == "FAILED_SHARE" and idle)

    def _draw_campaign(self, state: PanelState) -> None:
        campaign = state.campaign
        _visible(self._running, on=state.is_begun)
        if campaign is None or not state.is_begun:
            return
        if self._is_new("campaign", campaign, state.busy is None):
            self.campaign.show(*words.campaign_part(state))
        if self._is_new("outcomes", campaign):
            self.outcomes.show(_outcomes(campaign), columns=_OUTCOMES, key="key")
        _visible(self.cancel_button, on=guards.why_not_cancel(state) is None)
        _visible(self.new_button, on=state.busy is None)

    def _draw_after(self, state: PanelState) -> None:
        now = work.now()
        _visible(self._verifying, on=state.is_begun and (state.busy is None or state.is_over))
        if not state.is_begun:
            return
        self.verify_button.disabled = guards.why_not_verify(state) is not None
        self.rollback_button.disabled = guards.why_not_plan_rollback(state) is not None
        self.verified.show(*words.verify_part(state))
        if self._is_new("verified", state.verified):
            if state.verified is not None:
                self.effects.show(state.verified.table, columns=_EFFECTS, key="problem_id")
            _visible(self.effects, on=state.verified is not None)
        if self._is_new(
            "rollback",
            state.rollback,
            state.rolled_back,
            state.rollback_approval,
            state.typed_rollback,
            state.busy is None,
        ):
            self.rollback.show(*words.rollback_part(state, now))
        plan = state.rollback
        over = state.rolled_back is not None and state.rolled_back.finished is not None
        ready = plan is not None and bool(plan.operations) and not over
        _visible(self.confirm_rollback, on=ready)
        _visible(self.apply_rollback_button, on=ready)
        _visible(self.rollback_approval_button, on=ready and state.needs_approval)
        self.confirm_rollback.description = f"Type {state.rollback_confirmation} to confirm"
        self.confirm_rollback.value = state.typed_rollback
        self.confirm_rollback.disabled = state.busy is not None or state.looking_only is not None
        self.apply_rollback_button.disabled = guards.why_not_apply_rollback(state, now) is not None


def _with_action(name: str, value: Any) -> work.Step:
    return lambda state: state.choose_action(name, on=bool(value))


def _openable(state: PanelState) -> list[tuple[str, str]]:
    """Return what can be opened: campaigns that are not over, kept plans, campaigns that are over."""
    if state.known is None:
        return []
    unfinished = words.half_done(state)
    found = [(f"Not over: plan {c.plan.short}", c.plan.digest) for c in unfinished]
    found += [(f"Not applied: {Path(path).name}", path) for path in state.known.plans]
    over = [c for c in state.known.campaigns if c not in unfinished]
    return found + [
        (f"Past: plan {c.plan.short} of {c.plan.made_time:%Y-%m-%d %H:%M} UTC", c.plan.digest) for c in over
    ]


def _outcomes(campaign: Any) -> pd.DataFrame:
    import pandas as pd

    rows = outcome_rows(campaign)
    names = [c.name for c in _OUTCOMES]
    table = pd.DataFrame([[row[n] for n in names] for row in rows], columns=names)
    return table.assign(key=[f"{row['finding_id']} {row['action_name']}" for row in rows])


def _visible(widget: Any, *, on: bool) -> None:
    widget.layout.display = None if on else "none"
