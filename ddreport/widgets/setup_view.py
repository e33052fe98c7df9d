"""The set-up panel: from an empty account to its first audit, by clicking.

Choose checks, thresholds, a schedule, who is told, logging; look at the plan; type the account's id; apply; audit. The
rules stand in `setup_state`, the work in `workflows.preflight`; here are only widgets. Work goes on in the background,
one thing at a time.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from ddreport.catalogue import describe_check
from ddreport.errors import DDReportError
from ddreport.widgets.base import Blocks, ipywidgets
from ddreport.widgets.blocks import Block, bullets, details, heading, notice, paragraph, progress, table
from ddreport.widgets.setup_state import FREQUENCIES, NO_LOGGING, Choices, why_not
from ddreport.workflows.preflight import Guide

if TYPE_CHECKING:
    from collections.abc import Callable

    from ddreport.setup.changes import SetupPlan
    from ddreport.setup.desired import Desired
    from ddreport.workflows.audits import AuditNow
    from ddreport.workflows.preflight import Preflight
    from ddreport.workflows.setting_up.apply import Applied

__all__ = ["SetupPanel"]

LEVELS = ("ERROR", "WARN", "INFO", "DEBUG", NO_LOGGING)
_INITIAL = {"description_width": "initial"}
_LINE = {"flex_flow": "row wrap", "align_items": "center"}


class SetupPanel(ipywidgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """Choose, plan, confirm, apply, audit.

    Parameters
    ----------
    preflight
        How the account stands (`load_preflight`).
    archive
        Folder of the archive; empty means the default.
    read_only
        Whether this page is for looking only.

    Attributes
    ----------
    plan
        What was planned last; None before.
    """

    def __init__(self, preflight: Preflight, *, archive: str = "", read_only: bool = False) -> None:
        self.guide = Guide(preflight.target, archive)
        self.plan: SetupPlan | None = None
        self._planned_for: Desired | None = None
        self._read_only = read_only or preflight.read_only
        self._lock = threading.RLock()
        self._thread: threading.Thread | None = None
        self._base = Choices.of(preflight.desired)
        self._build(preflight)
        super().__init__(children=self._arranged())
        self.add_class("ddw-panel")
        self._connect()
        self._draw()

    def _build(self, preflight: Preflight) -> None:
        chosen = self._base
        emulated = "It is emulated, not AWS." if preflight.emulated else None
        self.head = Blocks()
        self.head.show(
            heading(f"Set-up of {preflight.target}", level=2),
            paragraph(f"Account {preflight.account}, {preflight.region}. {emulated or ''}"),
        )
        self.trouble, self.working, self.plan_part, self.outcome, self.results = (Blocks() for _ in range(5))
        self.boxes: dict[str, Any] = {}
        self.thresholds: dict[str, Any] = {}
        rows = []
        for check in preflight.checks:
            self.boxes[check.name] = ipywidgets.Checkbox(
                description=f"{check.severity}: {check.title}",
                value=check.name in chosen.checks,
                indent=False,
                layout={"width": "auto"},
            )
            parts = [self.boxes[check.name]]
            limit = describe_check(check.name).threshold
            if limit is not None:
                self.thresholds[check.name] = ipywidgets.BoundedIntText(
                    description="days",
                    value=chosen.thresholds.get(check.name, limit.default_days),
                    min=limit.min_days,
                    max=limit.max_days,
                    layout={"width": "160px"},
                )
                parts.append(self.thresholds[check.name])
            help_text = Blocks()
            help_text.show(details("Why", [paragraph(check.why, "muted")]))
            rows.append(ipywidgets.HBox([*parts, help_text], layout=_LINE))
        self.checks = ipywidgets.VBox(rows)
        self.schedule = _text("Name of the schedule", chosen.schedule, "Empty: no audit is scheduled")
        self.frequency = ipywidgets.Dropdown(description="Frequency", options=FREQUENCIES, value=chosen.frequency)
        self.day = _text("Day", chosen.day, "MON for weekly ones; 1 to 31 or LAST for monthly ones")
        self.topic = _text("SNS topic", chosen.topic, "Empty: nobody is told")
        self.subscribers = _text("Subscribers", chosen.subscribers, "E-mail, SQS queue's ARN, https; commas between")
        level = chosen.log_level if chosen.log_level in LEVELS else NO_LOGGING
        self.log_level = ipywidgets.Dropdown(description="V2 logging", options=LEVELS, value=level)
        self.plan_button = _button("Show the plan", "Reads the account; changes nothing", "primary")
        self.confirm = _text("Account's id", "", "Typed by you: there is no way back by itself")
        self.apply_button = _button("Apply", "Changes the account", "danger")
        self.audit_button = _button("Audit now", "Starts an audit of all checks that are on", "primary")

    def _arranged(self) -> list[Any]:
        schedule = [self.schedule, self.frequency, self.day]
        if self._base.has_several_schedules:
            schedule = [_title("The schedules of ddreport.toml stay as they are.", level=3)]
        return [
            self.head,
            _title("1 · Checks and thresholds"),
            self.checks,
            _title("2 · Schedule"),
            ipywidgets.HBox(schedule, layout=_LINE),
            _title("3 · Who is told"),
            ipywidgets.HBox([self.topic, self.subscribers], layout=_LINE),
            _title("4 · Logging"),
            self.log_level,
            _title("5 · Plan"),
            self.plan_button,
            self.plan_part,
            _title("6 · Confirm and apply"),
            ipywidgets.HBox([self.confirm, self.apply_button], layout=_LINE),
            self.outcome,
            _title("7 · First audit"),
            self.audit_button,
            self.results,
            self.working,
            self.trouble,
        ]

    def _connect(self) -> None:
        chosen = [*self.boxes.values(), *self.thresholds.values(), self.schedule, self.frequency, self.day]
        for widget in (*chosen, self.topic, self.subscribers, self.log_level, self.confirm):
            widget.observe(lambda _: self._draw(), "value")
        self.plan_button.on_click(lambda _: self._make_plan())
        self.apply_button.on_click(lambda _: self._apply())
        self.audit_button.on_click(lambda _: self._audit())

    @property
    def choices(self) -> Choices:
        """What is chosen now."""
        return Choices(
            base=self._base.base,
            checks=tuple(name for name, box in self.boxes.items() if box.value),
            thresholds={name: field.value for name, field in self.thresholds.items()},
            schedule=self.schedule.value.strip(),
            frequency=self.frequency.value,
            day=self.day.value.strip(),
            topic=self.topic.value.strip(),
            subscribers=self.subscribers.value,
            log_level=self.log_level.value,
        )

    @property
    def why_not(self) -> str:
        """Why the plan cannot be applied now; empty when it can."""
        try:
            is_stale = self._planned_for != self.choices.desired()
        except DDReportError as exc:
            return exc.message
        return why_not(self.plan, self.confirm.value, read_only=self._read_only, is_stale=is_stale)

    @property
    def is_busy(self) -> bool:
        """Whether something is under way."""
        return self._thread is not None and self._thread.is_alive()

    def wait(self, seconds: float | None = None) -> None:
        """Wait until the work in the background has ended: for scripts and tests."""
        if self._thread is not None:
            self._thread.join(seconds)

    def _draw(self, *, busy: bool = False) -> None:
        with self._lock:
            busy = busy or (self.is_busy and threading.current_thread() is not self._thread)
            reason = self.why_not
            self.plan_button.disabled = busy
            self.apply_button.disabled = busy or bool(reason)
            self.audit_button.disabled = busy or self._read_only
            if not busy:
                self.working.show(*([paragraph(reason, "muted")] if reason else []))

    def _make_plan(self) -> None:
        try:
            desired = self.choices.desired()
        except DDReportError as exc:
            self._trouble(exc)
            return

        def work(told: _Told) -> None:
            plan = self.guide.plan(desired, told)
            self.plan, self._planned_for = plan, desired
            self.plan_part.show(*plan_blocks(plan, self.choices.toml()))

        self._start(work)

    def _apply(self) -> None:
        if self.why_not:
            self._draw()
            return
        account = self.confirm.value.strip()

        def work(told: _Told) -> None:
            applied = self.guide.apply(account, told)
            self.plan, self._planned_for = None, None
            self.confirm.value = ""
            self.outcome.show(*applied_blocks(applied))

        self._start(work)

    def _audit(self) -> None:
        if self._read_only:
            return

        def work(told: _Told) -> None:
            self.results.show(*audit_blocks(self.guide.audit(told, told.stage)))

        self._start(work)

    def _start(self, work: Callable[[_Told], None]) -> None:
        with self._lock:
            if self.is_busy:
                return
            self.trouble.show()
            self._draw(busy=True)
            self._thread = threading.Thread(target=self._run, args=(work,), name="ddreport-setup-panel", daemon=True)
            self._thread.start()

    def _run(self, work: Callable[[_Told], None]) -> None:
        try:
            work(_Told(self.working))
        except DDReportError as exc:
            self._trouble(exc)
        except Exception as exc:  # noqa: BLE001 - nobody else would ever see it: this is the end of the thread
            self.trouble.show(notice("Something is wrong with the program", f"{type(exc).__name__}: {exc}", tone="bad"))
        self._draw()

    def _trouble(self, exc: DDReportError) -> None:
        self.trouble.show(notice(exc.message, exc.hint, tone="bad"))


class _Told:
    """Progress of work, shown in the panel."""

    def __init__(self, shown: Blocks) -> None:
        self._shown = shown
        self._text, self._done, self._total = "", 0, None  # type: str, int, int | None

    def stage(self, text: str, total: int | None = None) -> None:
        """Show a new stage."""
        self._text, self._done, self._total = text, 0, total
        self._shown.show(progress(text, 0, total))

    def advance(self, steps: int = 1) -> None:
        """Show that more of the stage is done."""
        self._done += steps
        if self._total:
            self._shown.show(progress(self._text, self._done, self._total))


def plan_blocks(plan: SetupPlan, toml: str) -> list[Block]:
    """Return a plan as it is shown."""
    rows = [[str(c.kind), str(c.part), c.name, "; ".join(c.details)] for c in plan.changes if str(c.kind) != "leave"]
    found = [paragraph(plan.summary(), "strong")]
    found += [notice("It cannot be applied", str(problem), tone="bad") for problem in plan.problems]
    if plan.warnings:
        found.append(bullets(plan.warnings, "warn"))
    if rows:
        found.append(table("Changes", ["Change", "What", "Name", "Details"], rows))
    return [
        *found,
        details("The same for ddreport.toml", [{"kind": "command", "title": "ddreport.toml", "text": toml}]),
    ]


def applied_blocks(applied: Applied) -> list[Block]:
    """Return what was done as it is shown."""
    found = [notice("Applied", f"{len(applied.done)} changes were made.", tone="good")]
    if applied.done:
        found.append(bullets(str(change) for change in applied.done))
    if applied.left:
        found.append(notice("AWS still shows otherwise", *(str(c) for c in applied.left), tone="warn"))
    return found


def audit_blocks(now: AuditNow) -> list[Block]:
    """Return an audit's results as they are shown."""
    columns = ["check_name", "check_run_status", "total_resources_count", "non_compliant_resources_count"]
    rows = now.checks[columns].astype(object).where(now.checks[columns].notna(), "").to_numpy().tolist()
    task = now.task.iloc[0]
    return [
        paragraph(f"Audit {task['audit_task_id']}: {task['task_status']}", "strong"),
        table(
            "First results",
            ["Check", "Status", "Resources", "Non-compliant"],
            [[describe_check(row[0]).title, *row[1:]] for row in rows],
            numeric=[2, 3],
        ),
        paragraph("Next: `ddreport pull` brings them into the archive, `ddreport report` makes a report of them."),
    ]


def _text(label: str, value: str, tip: str) -> Any:
    return ipywidgets.Text(
        description=label,
        value=value,
        placeholder=tip,
        tooltip=tip,
        style=_INITIAL,
        layout={"width": "min(100%, 420px)"},
    )


def _button(text: str, tip: str, kind: str = "") -> Any:
    return ipywidgets.Button(description=text, tooltip=tip, button_style=kind, layout={"width": "auto"})


def _title(text: str, *, level: int = 3) -> Blocks:
    shown = Blocks()
    shown.show(heading(text) if level == 3 else paragraph(text))
    return shown
