"""The mitigation panel: from an open finding to a repaired, verified account, and back, by clicking.

The panel shows a state (`mitigation_state`) that belongs to the kernel, not to the cell: running the cell again shows
the same state, and work in the background goes on meanwhile. After a restart of the kernel what was begun is found
again in the archive.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ddreport.catalogue import normalise_check_name
from ddreport.errors import InputError
from ddreport.terms import MitigationActionType
from ddreport.widgets import mitigation_guards as guards
from ddreport.widgets import mitigation_work as work
from ddreport.widgets.mitigation_drawing import PanelDrawing
from ddreport.widgets.mitigation_state import PanelState, Work
from ddreport.widgets.panel_control import Controller

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence


__all__ = ["MitigationPanel", "forget_panels"]

_CONTROLLERS: dict[str, Controller] = {}
_KEYS = threading.Lock()


def _controller(place: work.Place, *, read_only: bool, key: str) -> tuple[Controller, bool]:
    """Return the controller of a key and whether it is a new one."""
    with _KEYS:
        known = _CONTROLLERS.get(key)
        if known is not None:
            return known, False
        made = Controller(place, PanelState(place.target, place.archive, read_only=read_only))
        _CONTROLLERS[key] = made
        return made, True


def forget_panels() -> None:
    """Forget the state of all panels of this kernel; campaigns stay in their archives."""
    with _KEYS:
        _CONTROLLERS.clear()


class MitigationPanel(PanelDrawing):
    """Choose, plan, review, confirm, apply, verify, roll back.

    Parameters
    ----------
    target
        Name of a target of `ddreport.toml`, or `demo`.
    archive
        Folder of the archive; empty means the default.
    checks
        Checks to offer; none means all that have open findings.
    plan
        File of a plan to open, or how the digest of one begins that was applied.
    plans
        Folder for the files of plans.
    read_only
        Whether this page is for looking only, whatever the target says.
    key
        Names the panel in the kernel: the same key shows the same state. None: what the other arguments say.

    Attributes
    ----------
    state
        As it is now.

    Raises
    ------
    InputError
        An argument is of the wrong kind.
    """

    def __init__(
        self,
        *,
        target: str = "demo",
        archive: str | Path = "",
        checks: Sequence[str] = (),
        plan: str | Path = "",
        plans: str | Path = ".",
        read_only: bool = False,
        key: str | None = None,
    ) -> None:
        for name, value in {"target": target, "archive": archive, "plan": plan, "plans": plans}.items():
            if not isinstance(value, str | Path) or (name in ("target", "plans") and not str(value)):
                raise InputError(f"{name} is {value!r}; allowed: a text.")
        if isinstance(checks, str) or not all(isinstance(c, str) for c in checks):
            raise InputError(f"checks is {checks!r}; allowed: a list of names of checks.")
        names = tuple(normalise_check_name(c) for c in checks)
        place = work.Place(target, str(archive), names, Path(plans))
        own_key = key or repr((place, str(plan), read_only))
        self._controller, is_new = _controller(place, read_only=read_only, key=own_key)
        self._place = place
        super().__init__()
        self._connect()
        self._controller.watch(self._draw)
        if is_new:
            self._load(str(plan))

    @property
    def state(self) -> PanelState:
        """What the panel shows."""
        return self._controller.state

    def wait(self, seconds: float | None = None) -> None:
        """Wait until the work in the background has ended: for scripts and tests."""
        self._controller.wait(seconds)

    def _connect(self) -> None:
        self.check_choice.observe(self._on(lambda v: lambda s: s.choose_check(v)), "value")
        self.findings.on_select(self._picked)
        self.confirm.observe(self._on(lambda v: lambda s: replace(s, typed=v)), "value")
        self.confirm_rollback.observe(self._on(lambda v: lambda s: replace(s, typed_rollback=v)), "value")
        for widget, name in (
            (self.waves, "waves"),
            (self.stop_at, "stop_at"),
            (self.alarms, "alarms"),
            (self.rest, "wait_seconds"),
            (self.second_person, "require_approval"),
            (self.with_impact, "with_impact"),
        ):
            widget.observe(self._on(partial(_with_option, name)), "value")
        self.options_button.observe(self._on(lambda _: lambda state: state), "value")
        clicks: Iterable[tuple[Any, Callable[[], None]]] = (
            (self.stop_button, self._controller.stop),
            (self.reload_button, self._load),
            (self.open_button, self._open),
            (self.ask_actions_button, lambda: self._start(Work.OPEN, lambda p, _: work.reload_actions(self._place, p))),
            (self.plan_button, lambda: self._start(Work.PLAN, lambda p, _: work.plan(self._place, self.state, p))),
            (self.save_button, lambda: self._controller.change(lambda s: work.save(self._place, s)(s))),
            (
                self.approve_button,
                lambda: self._start(Work.APPROVE, lambda p, _: work.approve(self._place, self.state, "", p)),
            ),
            (
                self.approval_button,
                lambda: self._controller.change(lambda s: work.look_for_approval(self._place, s)(s)),
            ),
            (self.apply_button, self._apply),
            (
                self.cancel_button,
                lambda: self._start(Work.CANCEL, lambda p, _: work.cancel(self._place, self.state, p)),
            ),
            (self.new_button, self._start_over),
            (
                self.verify_button,
                lambda: self._start(Work.VERIFY, lambda p, _: work.verify(self._place, self.state, p)),
            ),
            (
                self.rollback_button,
                lambda: self._start(Work.PLAN_ROLLBACK, lambda p, _: work.plan_rollback(self._place, self.state, p)),
            ),
            (
                self.rollback_approval_button,
                lambda: self._controller.change(lambda s: work.look_for_rollback_approval(s)(s)),
            ),
            (self.apply_rollback_button, self._roll_back),
        )
        for button, call in clicks:
            button.on_click(lambda _, call=call: call())

    def _on(self, step_of: Callable[[Any], work.Step]) -> Callable[[Mapping[str, Any]], None]:
        """Return a handler of a field: it takes the step of what was typed or chosen."""

        def handle(change: Mapping[str, Any]) -> None:
            with self._controller.lock:
                if not self._drawing:
                    self._controller.change(step_of(change["new"]))

        return handle

    def _start(self, kind: Work, job: Any) -> None:
        self._controller.start(kind, job)

    def _picked(self) -> None:
        with self._controller.lock:
            if not self._drawing:
                keys = self.findings.selected_keys
                self._controller.change(lambda s: s.pick(keys))

    def _load(self, plan: str = "") -> None:
        def job(progress: Any, _: object) -> work.Step:
            step = work.load(self._place, progress)
            if not plan:
                return step
            opened = work.open_plan(self._place, plan, progress)
            return lambda state: opened(step(state))

        self._start(Work.LOAD, job)

    def _open(self) -> None:
        name = self.open_choice.value
        if name:
            self._start(Work.OPEN, lambda p, _: work.open_plan(self._place, name, p))

    def _apply(self) -> None:
        if guards.why_not_apply(self.state, work.now()) is not None:
            return  # the button is off then; a click that came too late changes nothing
        go_on = bool(self.go_on.value)
        self._start(
            Work.APPLY,
            lambda p, stop: work.apply(
                self._place, self.state, go_on=go_on, progress=p, stop=stop, show=self._controller.change
            ),
        )

    def _roll_back(self) -> None:
        if guards.why_not_apply_rollback(self.state, work.now()) is None:
            self._start(
                Work.APPLY_ROLLBACK,
                lambda p, stop: work.roll_back(self._place, self.state, progress=p, stop=stop),
            )

    def _define(self, kind: str) -> None:
        self._start(Work.DEFINE, lambda p, _: work.define(self._place, MitigationActionType(kind), p))

    def _start_over(self) -> None:
        self._controller.change(lambda s: s.start_over())
        self._load()


def _with_option(name: str, value: Any) -> work.Step:
    return lambda state: state.set_options(replace(state.options, **{name: value}))
