"""Audits in time: how far apart they usually are, how long each one's result counts, where there is a gap.

AWS tells when an audit started and nothing of its end; what an audit found is taken to hold until the next one, but
never longer than audits are usually apart. Beyond that nothing is known, and a chart leaves the place empty.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from ddreport.terms import TaskType

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pandas as pd

GAP: Final = 1.6
"""Audits further apart than this many usual intervals have a gap between them: a day left out, not a late start."""

_DAY_MS: Final = 86_400_000


def usual_interval_ms(starts: pd.Series[Any]) -> int:
    """Return the median distance of audits in milliseconds, a day where fewer than two are known.

    Parameters
    ----------
    starts
        Start times, aware, in any order; equal ones count once.
    """
    times = starts.dropna().drop_duplicates().sort_values()
    if len(times) < 2:
        return _DAY_MS
    median = float(times.diff().dropna().dt.total_seconds().median())
    return max(int(median * 1000), 60_000)


def comparable(audits: pd.DataFrame) -> pd.Series[Any]:
    """Say for each audit whether it belongs to the line of the trend.

    Scheduled audits of an account run the same checks each time. An on-demand audit runs whatever somebody asked for,
    so its rate says little beside theirs; only where nothing is scheduled do on-demand audits make the line.
    """
    scheduled = (audits["task_type"] == TaskType.SCHEDULED.value).astype("bool")
    keys = [audits["account"], audits["region"]]
    return scheduled | ~scheduled.groupby(keys).transform("any")


def widths_ms(starts: Sequence[pd.Timestamp], usual: int) -> list[int]:
    """Return for each start (ascending) how long its result counts: until the next one, at most `usual`."""
    widths = []
    for position, start in enumerate(starts):
        if position + 1 < len(starts):
            distance = int((starts[position + 1] - start).total_seconds() * 1000)
            widths.append(distance if distance <= usual * GAP else usual)
        else:
            widths.append(usual)
    return widths


def gaps(starts: Sequence[pd.Timestamp], usual: int) -> list[tuple[pd.Timestamp, pd.Timestamp]]:
    """Return the stretches without a known result, as (end of the last one's time, next start)."""
    import pandas as pd

    found = []
    for before, after in pairwise(starts):
        if (after - before).total_seconds() * 1000 > usual * GAP:
            found.append((before + pd.Timedelta(milliseconds=usual), after))
    return found


def time_range(starts: Iterable[pd.Timestamp], usual: int) -> list[str]:
    """Return where a time axis begins and ends: from a little before the first start to the end of the last result."""
    import pandas as pd

    moments = list(starts)
    before, after = pd.Timedelta(milliseconds=usual * 0.5), pd.Timedelta(milliseconds=usual * 1.2)
    return [iso(min(moments) - before), iso(max(moments) + after)]


def source_label(account: object, region: object) -> str:
    """Return how one of several accounts and Regions is called in a chart."""
    return f"{account} {region}"


def iso(moment: pd.Timestamp) -> str:
    """Return a moment as plotly reads it; plotly has no zones and shows it as it stands, so it is UTC."""
    return moment.tz_convert("UTC").strftime("%Y-%m-%dT%H:%M:%S")
