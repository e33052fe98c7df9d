"""One panel's state in the kernel: changed by clicks and by work in the background, shown by any number of views.

The controller outlives the cell: running the cell again makes a new view of the same state, and work that is under way
goes on.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Any

from ddreport.errors import DDReportError
from ddreport.widgets.mitigation_state import Failure, Work
from ddreport.widgets.mitigation_work import settle
from ddreport.workflows.pulling.threads import Stop, Stopped

if TYPE_CHECKING:
    from collections.abc import Callable

    from ddreport.widgets.mitigation_state import PanelState
    from ddreport.widgets.mitigation_work import Place, Step

    Job = Callable[["PanelProgress", Stop], Step]

_LOG = logging.getLogger(__name__)
_MOST_VIEWS = 3
"""Views that are kept up to date: a cell that is run again and again leaves its earlier ones behind."""

_SHOW_SECONDS = 0.15


class Controller:
    """The state of one panel.

    Parameters
    ----------
    place
        What the panel is about.
    state
        What it begins with.

    Attributes
    ----------
    state
        As it is now; states never change, so it can be read anywhere.
    lock
        Held while a state is changed and shown.
    """

    def __init__(self, place: Place, state: PanelState) -> None:
        self.place = place
        self.state = state
        self.lock = threading.RLock()
        self._views: list[Callable[[PanelState], None]] = []
        self._thread: threading.Thread | None = None
        self._stop = Stop()

    def watch(self, view: Callable[[PanelState], None]) -> None:
        """Have a view called with the state now and after every change; the oldest of many is forgotten."""
        with self.lock:
            self._views = [*self._views[1 - _MOST_VIEWS :], view]
            view(self.state)

    def change(self, step: Step) -> None:
        """Take a step and show it; what a step refuses is shown as well."""
        with self.lock:
            try:
                self.state = step(self.state)
            except DDReportError as exc:
                self.state = self.state.refused(exc)
            for view in self._views:
                view(self.state)

    def start(self, work: Work, job: Job) -> None:
        """Begin work in a thread of its own; refused while something else is under way."""
        with self.lock:
            if self.state.busy is not None or not self._begin(work):
                return
            self._stop = Stop()
            self._thread = threading.Thread(
                target=self._run, args=(work, job, self._stop), name=f"ddreport-panel-{work.lower()}", daemon=True
            )
            self._thread.start()

    def _begin(self, work: Work) -> bool:
        self.change(lambda state: state.began(work))
        return self.state.busy is not None

    def stop(self) -> None:
        """Tell the work to end soon."""
        self._stop.set()
        self.change(lambda state: state.progressed(stopping=True))

    def wait(self, seconds: float | None = None) -> None:
        """Wait until the work has ended: for scripts and tests."""
        thread = self._thread
        if thread is not None:
            thread.join(seconds)

    def _run(self, work: Work, job: Job, stop: Stop) -> None:
        failure: Failure | None = None
        step: Step | None = None
        try:
            step = job(PanelProgress(self), stop)
        except DDReportError as exc:
            failure = Failure(work, exc.message, exc.hint)
        except Stopped:
            failure = Failure(work, "It was told to stop before it could begin.")
        except Exception as exc:  # noqa: BLE001 - nobody else would ever see it: this is the end of the thread
            _LOG.exception("the panel's work %s failed", work)
            failure = Failure(work, f"{type(exc).__name__}: {exc}", expected=False)
        self.change(lambda state: _ended(self.place, work, state, step, failure))


def _ended(place: Place, work: Work, state: PanelState, step: Step | None, failure: Failure | None) -> PanelState:
    found = state.ended(failure)
    try:
        if step is not None:
            return step(found)
        return settle(place, work)(found)
    except DDReportError as exc:
        return found.ended(failure or Failure(work, exc.message, exc.hint))


class PanelProgress:
    """Progress of work (`progress.Progress`), shown in the panel no more often than anybody can read."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        self._lock = threading.Lock()
        self._done = 0
        self._shown = 0.0

    def stage(self, text: str, total: int | None = None) -> None:
        """Show a new stage."""
        with self._lock:
            self._done, self._shown = 0, time.monotonic()
        self._show(stage=text, done=0, total=total)

    def advance(self, steps: int = 1) -> None:
        """Show that more of the stage is done."""
        with self._lock:
            self._done += steps
            if time.monotonic() - self._shown < _SHOW_SECONDS:
                return
            self._shown = time.monotonic()
            done = self._done
        self._show(done=done)

    def _show(self, **changes: Any) -> None:
        self._controller.change(lambda state: state.progressed(**changes))
