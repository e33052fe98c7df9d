"""The parts of the mitigation panel, and where they stand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ddreport.widgets.base import Blocks, ipywidgets
from ddreport.widgets.blocks import heading
from ddreport.widgets.mitigation_state import Options
from ddreport.widgets.table import FindingsTable

if TYPE_CHECKING:
    import pandas as pd

_WIDE = {"width": "min(100%, 760px)"}
_INITIAL = {"description_width": "initial"}


class PanelParts(ipywidgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """The widgets of a panel, made and arranged, without anything in them."""

    def __init__(self) -> None:
        self._build()
        super().__init__(children=self._children())
        self.add_class("ddw-panel")

    def _build(self) -> None:
        self.head, self.trouble, self.working = Blocks(), Blocks(), Blocks()
        self.stop_button = button("Stop", "Ends after what AWS is working on; the plan can be gone on with", "warning")
        self.reload_button = button("Reload", "Read the archive again")
        self.unfinished = Blocks()
        self.open_choice = ipywidgets.Dropdown(description="Open", style=_INITIAL, layout=_WIDE)
        self.open_button = button("Open", "Show this plan and how it stands")
        self.check_choice = ipywidgets.Dropdown(description="Check", style=_INITIAL, layout=_WIDE)
        self.check_help = Blocks()
        self.findings = FindingsTable(_nothing(), key="problem_id", label="Open findings", height=330)
        self.picked = Blocks()
        self.action_boxes: dict[str, Any] = {}
        self.actions = ipywidgets.VBox()
        self.actions_note = Blocks()
        self.define_buttons = ipywidgets.HBox(layout={"flex_flow": "row wrap"})
        self.ask_actions_button = button("Ask AWS for the defined actions", "Reads the account; changes nothing")
        usual = Options()
        self.waves = _text(
            "Waves", usual.waves, "Sizes: numbers, shares, rest; the first wave is the one to learn from"
        )
        self.stop_at = _text("Stop when so many of a wave fail", usual.stop_at, "A share such as 20%")
        self.alarms = _text("CloudWatch alarms that stop it", usual.alarms, "Names, with commas between")
        self.rest = ipywidgets.BoundedIntText(
            description="Rest between waves, seconds", min=0, max=86400, style=_INITIAL, layout={"width": "auto"}
        )
        self.second_person = tick_box("A second person must approve")
        self.with_impact = tick_box("Ask AWS what depends on each resource", value=True)
        fields = [self.waves, self.stop_at, self.rest, self.alarms, self.second_person, self.with_impact]
        self.options_button = ipywidgets.ToggleButton(
            description="Waves and other options", tooltip="Show or hide them", layout={"width": "auto"}
        )
        self.options = ipywidgets.VBox(fields)
        self.plan_button = button("Preview the plan", "Makes the plan; changes nothing", "primary")
        self.plan_part = Blocks()
        self.save_button = button("Save the plan's file", "Keeps it beside the notebook")
        self.approval = Blocks()
        self.approve_button = button("Approve", "Approves the plan under your AWS identity")
        self.approval_button = button("Look for an approval", "Looks for the approval's file beside the plan's")
        self.launch = Blocks()
        self.confirm = ipywidgets.Text(style=_INITIAL, layout={"width": "min(100%, 340px)"})
        self.go_on = tick_box("Go on in spite of what failed")
        self.apply_button = button("Apply", "Changes the account", "danger")
        self.cancel_button = button("Cancel the campaign", "Nothing more is sent; what was done stays done")
        self.campaign = Blocks()
        self.outcomes = FindingsTable(
            _nothing(),
            columns=[],
            key=None,
            selectable=False,
            label="Outcome of each action on each finding",
            height=300,
        )
        self.verify_button = button("Verify", "Reads the resources back and audits the checks concerned", "primary")
        self.verified = Blocks()
        self.effects = FindingsTable(_nothing(), columns=[], selectable=False, label="What became of each problem")
        self.rollback_button = button("Plan a roll-back", "Works out what undoes this; changes nothing")
        self.rollback = Blocks()
        self.rollback_approval_button = button("Look for its approval", "Looks for the file beside the plan's")
        self.confirm_rollback = ipywidgets.Text(style=_INITIAL, layout={"width": "min(100%, 340px)"})
        self.apply_rollback_button = button("Roll back", "Changes the account", "danger")
        self.new_button = button("New plan", "Begins anew; what was done stays in the archive")
        self.commands = Blocks()

    def _children(self) -> list[Any]:
        self._opening = _row(self.open_choice, self.open_button)
        self._choosing = ipywidgets.VBox(
            [
                _title("1 · Check"),
                self.check_choice,
                self.check_help,
                _title("2 · Findings"),
                self.findings,
                self.picked,
                _title("3 · Actions"),
                self.actions,
                self.actions_note,
                _row(self.define_buttons, self.ask_actions_button),
                _row(self.options_button),
                self.options,
            ]
        )
        self._planning = ipywidgets.VBox([_title("4 · Plan"), _row(self.plan_button), self.plan_part])
        self._launching = ipywidgets.VBox(
            [
                _title("5 · Approval and confirmation"),
                self.approval,
                _row(self.save_button, self.approve_button, self.approval_button),
                self.launch,
                _row(self.confirm, self.apply_button, self.go_on),
            ]
        )
        self._running = ipywidgets.VBox(
            [_title("6 · Outcome"), self.campaign, self.outcomes, _row(self.cancel_button, self.new_button)]
        )
        self._verifying = ipywidgets.VBox(
            [
                _title("7 · Verification and roll-back"),
                _row(self.verify_button, self.rollback_button),
                self.verified,
                self.effects,
                self.rollback,
                _row(self.confirm_rollback, self.apply_rollback_button, self.rollback_approval_button),
            ]
        )
        return [
            self.head,
            self.trouble,
            _row(self.reload_button),
            self.unfinished,
            self._opening,
            self._choosing,
            self._planning,
            self._launching,
            self._running,
            self._verifying,
            _row(self.working, self.stop_button),
            self.commands,
        ]


def _nothing() -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame({"problem_id": pd.Series([], dtype="str")})


def button(text: str, tip: str, kind: str = "") -> Any:
    """Return a button with a tool tip; `kind` is one of ipywidgets' button styles."""
    return ipywidgets.Button(description=text, tooltip=tip, button_style=kind, layout={"width": "auto"})


def tick_box(text: str, *, value: bool = False) -> Any:
    """Return a tick box."""
    return ipywidgets.Checkbox(description=text, value=value, indent=False, layout={"width": "auto"})


def _text(label: str, value: str, tip: str) -> Any:
    return ipywidgets.Text(
        description=label,
        value=value,
        tooltip=tip,
        placeholder=tip,
        continuous_update=False,
        style=_INITIAL,
        layout={"width": "min(100%, 560px)"},
    )


def _row(*widgets: Any) -> Any:
    return ipywidgets.HBox(list(widgets), layout={"flex_flow": "row wrap", "align_items": "center"})


def _title(text: str) -> Blocks:
    made = Blocks()
    made.show(heading(text))
    return made
