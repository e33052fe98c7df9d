"""Sections: what they say, what they leave out and say so, and that nothing hostile gets through."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pandas as pd
import pytest

from ddreport import metrics
from ddreport.metrics.results import CURRENT_CHECKS, DATA_GAPS
from ddreport.presentation import report
from ddreport.presentation.charts.sparkline import sparkline
from ddreport.presentation.sections import checks_section, findings_section, gaps_section, header_section
from ddreport.schemas import FINDINGS

Reader = Callable[[str], Any]
AT = datetime(2026, 3, 2, 9, 15, tzinfo=UTC)


def head(**more: Any) -> str:
    fields: dict[str, Any] = {
        "title": "",
        "accounts": ["111122223333"],
        "regions": ["eu-west-1"],
        "start": datetime(2025, 12, 2, tzinfo=UTC),
        "end": datetime(2026, 3, 3, tzinfo=UTC),
        "as_of": AT,
        "emulated": False,
    }
    return header_section(**(fields | more)).html


def test_the_head_names_account_region_window_and_newest_audit(read_html: Reader) -> None:
    page = read_html(head())
    assert page.texts["h1"] == ["Security compliance of the IoT fleet"]
    assert page.texts["dd"] == ["111122223333", "eu-west-1", "2 Dec 2025 – 2 Mar 2026", "2 Mar 2026 09:15 UTC"]


def test_the_head_has_the_title_that_was_asked_for_escaped(read_html: Reader) -> None:
    page = read_html(head(title="Q1 <b>fleet\u202e"))
    assert page.texts["h1"] == ["Q1 <b>fleet\\u202e"]
    assert "b" not in page.names()


def test_several_accounts_are_all_named(read_html: Reader) -> None:
    page = read_html(head(accounts=["1", "2", "3"]))
    assert page.texts["dd"][0] == "1, 2 and 3"
    assert page.texts["dt"][0] == "Accounts"


def test_an_emulated_account_is_said_in_words(read_html: Reader) -> None:
    assert "Emulated account Made by ddreport's own emulator, not by AWS." in " ".join(
        read_html(head(emulated=True)).text.split()
    )


def test_a_real_account_is_not_called_emulated() -> None:
    assert "Emulated" not in re.sub(r"<style.*?</style>", "", head(), flags=re.DOTALL)


def test_the_style_sheet_comes_with_the_head_and_loads_nothing() -> None:
    style = re.findall(r"<style data-ddreport>(.*?)</style>", head(), flags=re.DOTALL)
    assert len(style) == 1
    assert not re.search(r"@import|url\(|https?:", style[0])


def test_key_figures_show_numbers_and_their_change(data: Any, read_html: Reader) -> None:
    page = read_html(report.key_figures(data).html)
    items = [" ".join(text.split()) for text in page.texts["li"]]
    assert items[0] == "Compliant checks 1 of 8 13%"
    assert items[1].startswith("Open, critical 3 up ")
    assert items[1].endswith(" in 7 days")
    assert items[-1] == "Audits in the window 92 1 did not complete"


def test_a_window_without_an_earlier_verdict_compares_with_nothing(story: Any, read_html: Reader) -> None:
    page = read_html(report.key_figures(story.report_data(days=0)).html)
    assert "no earlier verdict to compare with" in page.text or "unchanged" in page.text


def gaps(*messages: str, account: str = "1") -> pd.DataFrame:
    rows = [
        {"account": account, "region": "r", "time": AT + pd.Timedelta(days=i), "kind": "FAILED_CHECK", "message": m}
        for i, m in enumerate(messages)
    ]
    return DATA_GAPS.conform(pd.DataFrame(rows, columns=DATA_GAPS.column_names))


def test_gaps_are_listed_the_newest_first(read_html: Reader) -> None:
    page = read_html(gaps_section(gaps("first", "second"), []).html)
    assert [" ".join(t.split()) for t in page.texts["tr"][1:]] == [
        "3 Mar 2026 09:15 UTCsecond",
        "2 Mar 2026 09:15 UTCfirst",
    ]


def test_many_gaps_are_all_there_the_older_ones_behind_a_click(read_html: Reader) -> None:
    page = read_html(gaps_section(gaps(*(f"gap {i}" for i in range(20))), []).html)
    assert all(f"gap {i}" in page.text for i in range(20))
    assert "12 earlier gaps" in page.texts["summary"][0]


def test_notes_on_the_data_stand_with_the_gaps_escaped() -> None:
    html = gaps_section(gaps(), ["The pull had <b>only</b> part."]).html
    assert "<li>The pull had &lt;b&gt;only&lt;/b&gt; part.</li>" in html


def test_no_gap_is_said_too(read_html: Reader) -> None:
    assert (
        "No gap shows: the audits of this window came in their rhythm" in read_html(gaps_section(gaps(), []).html).text
    )


def test_every_check_is_shown_with_guidance_and_a_link(data: Any, read_html: Reader) -> None:
    page = read_html(report.checks(data).html)
    assert len(page.texts["article"]) == 8
    assert page.texts["h3"][0] == "Device certificate shared"
    assert page.texts["h3"][-1] == "Logging disabled"
    first = page.texts["article"][0]
    for words in ("Critical", "Non-compliant", "2 of 1,504 resources", "Why it matters", "How to fix it", "Found now"):
        assert words in first
    links = [a["href"] for t, a in page.tags if t == "a"]
    assert len(links) == 7
    assert all(link.startswith("https://docs.aws.amazon.com/iot-device-defender/") for link in links)


def test_an_unknown_check_is_shown_by_its_name(data: Any, read_html: Reader) -> None:
    page = read_html(report.checks(data).html)
    article = next(text for text in page.texts["article"] if "QUANTUM" in text)
    assert "FUTURE_<b>QUANTUM</b>_CHECK (not in the catalogue)" in article
    assert "QUANTUM_<i>DECAY</i> (not in the catalogue)" in article


def test_reasons_are_said_in_plain_words_with_their_number(data: Any, read_html: Reader) -> None:
    article = read_html(report.checks(data).html).texts["article"][0]
    assert "2 findings: Several clients were connected at the same time with this one certificate." in article


def test_a_verdict_from_an_earlier_audit_says_so_and_why(read_html: Reader, by_check_table: Any) -> None:
    row = {
        "account": "111122223333",
        "region": "eu-west-1",
        "check_name": "LOGGING_DISABLED_CHECK",
        "audit_task_id": "a0",
        "task_start_time": AT,
        "check_run_status": "COMPLETED_COMPLIANT",
        "total_resources_count": 1,
        "non_compliant_resources_count": 0,
        "suppressed_non_compliant_resources_count": 0,
        "age_days": 1.0,
        "latest_audit_task_id": "a1",
        "latest_task_start_time": AT,
        "latest_check_run_status": "FAILED",
        "latest_error_code": "INSUFFICIENT_PERMISSIONS",
        "latest_differs": True,
    }
    current = CURRENT_CHECKS.conform(pd.DataFrame([row], columns=CURRENT_CHECKS.column_names))
    section = checks_section(current, by_check_table({"LOGGING_DISABLED_CHECK": "CF"}), FINDINGS.empty())
    assert (
        "verdict of 2 Mar 2026; newest run: check failed, because the audit role lacks a permission"
        in read_html(section.html).text
    )


def test_without_any_check_the_section_says_why(read_html: Reader, by_check_table: Any) -> None:
    section = checks_section(CURRENT_CHECKS.empty(), by_check_table({}), FINDINGS.empty())
    assert "No audit of this window ran any check." in read_html(section.html).text


def test_two_accounts_stand_side_by_side_in_each_check(story: Any, read_html: Reader) -> None:
    one, two = story.report_data(days=3), story.report_data(days=3, account="999999999999", seed=4)
    both = dataclasses.replace(
        one,
        audit_tasks=pd.concat([one.audit_tasks, two.audit_tasks], ignore_index=True),
        checks=pd.concat([one.checks, two.checks], ignore_index=True),
        findings=pd.concat([one.findings, two.findings], ignore_index=True),
    )
    page = read_html(report.checks(both).html)
    assert len(page.texts["article"]) == 8
    assert all("111122223333 eu-west-1" in t and "999999999999 eu-west-1" in t for t in page.texts["article"])


def test_a_sparkline_interrupts_at_audits_without_a_verdict(by_check_table: Any) -> None:
    table = by_check_table({"LOGGING_DISABLED_CHECK": "CNFFNC"})
    span = (table["task_start_time"].min(), table["task_start_time"].max())
    svg = sparkline(table, usual_ms=86_400_000, span=span)
    assert svg is not None
    assert svg.count('class="dd-spark-line"') == 2
    assert 'aria-hidden="true"' in svg


def test_one_verdict_makes_no_line(by_check_table: Any) -> None:
    table = by_check_table({"LOGGING_DISABLED_CHECK": "CFF"})
    assert sparkline(table, usual_ms=1, span=(table["task_start_time"].min(), table["task_start_time"].max())) is None


def test_findings_begin_with_the_most_severe_and_say_what_is_left_out(data: Any, read_html: Reader) -> None:
    page = read_html(report.findings(data, limit=5).html)
    rows = [" ".join(text.split()) for text in page.texts["tr"][1:]]
    assert len(rows) == 5
    assert "Critical" in rows[0]
    assert "High" in rows[4]
    total = len(metrics.current_findings(data.findings, data.checks, as_of=data.as_of)) - 2
    assert f"{total - 5} more open findings are not in this table" in page.text
    assert "2 suppressed findings left out" in page.text


def test_all_findings_shown_leave_nothing_out(data: Any, read_html: Reader) -> None:
    assert "more open finding" not in read_html(report.findings(data, limit=10_000).html).text


def test_a_finding_tells_since_when_it_is_known(data: Any, read_html: Reader) -> None:
    page = read_html(report.findings(data).html)
    row = next(text for text in page.texts["tr"] if "fleet-default" in text)
    assert "2 Dec 2025 or earlier" in row
    assert "A device with this policy may act for other devices" in row


def test_an_expired_certificate_is_told_from_one_that_expires(data: Any, read_html: Reader) -> None:
    findings = data.findings.copy()
    expiring = findings["expiration_time"].notna()
    findings.loc[expiring, "expiration_time"] = pd.Timestamp("2026-02-28", tz="UTC")
    past = dataclasses.replace(data, findings=findings)
    assert "expired 28 Feb 2026" in read_html(report.findings(past).html).text
    assert "expires 7 Mar 2026" in read_html(report.findings(data).html).text


def test_nothing_open_is_said(read_html: Reader) -> None:
    page = read_html(findings_section(FINDINGS.empty(), FINDINGS.empty()).html)
    assert "The newest verdict of every check left nothing open." in page.text


def test_provenance_names_evidence_versions_and_parameters(data: Any, read_html: Reader) -> None:
    page = read_html(report.provenance(data, {"target": "demo", "start": "", "checks": ["A_CHECK"]}).html)
    facts = dict(zip(page.texts["dt"], page.texts["dd"], strict=True))
    assert facts["Evidence (SHA-256)"] == "9f2c" * 16
    assert facts["Parameters"] == 'target = "demo", checks = ["A_CHECK"]'
    assert facts["Made with"].startswith("ddreport ")
    assert facts["Window"] == "from 2 Dec 2025 09:15 UTC to before 2 Mar 2026 09:15 UTC"
    assert "Emulated account." in page.text


def everything(data: Any) -> dict[str, str]:
    parts = {
        f.__name__: f(data).html
        for f in (report.header, report.key_figures, report.checks, report.findings, report.data_gaps)
    }
    parts["provenance"] = report.provenance(data, {"title": "<b>x</b>"}).html
    for chart in (report.compliance, report.severity, report.check_matrix, report.top_resources):
        parts[chart.__name__] = chart(data)._repr_mimebundle_()[0]["text/html"]
    return parts


def test_no_hostile_name_becomes_a_tag_or_an_attribute(data: Any, read_html: Reader) -> None:
    for name, html in everything(data).items():
        page = read_html(html)
        assert page.names() <= {
            *(
                "a",
                "article",
                "caption",
                "code",
                "dd",
                "details",
                "div",
                "dl",
                "dt",
                "figcaption",
                "figure",
                "h1",
                "h2",
            ),
            *("h3", "h4", "header", "li", "p", "path", "section", "span", "strong", "style", "summary", "svg", "table"),
            *("tbody", "td", "th", "thead", "tr", "ul", "wbr"),
            *(("button", "form", "input", "label", "option", "script", "select") if name == "findings" else ()),
        }, name
        # A script is there for its data alone: no browser runs these types.
        types = [dict(a).get("type") for tag, a in page.tags if tag == "script"]
        assert set(types) <= {"application/json", "application/x-ddreport-rows"}, name
        assert not [a for _, a in page.tags if any(key.startswith("on") for key in a)], name


def test_no_character_that_hides_or_steers_gets_through(data: Any) -> None:
    for name, html in everything(data).items():
        assert not re.search("[\u202a-\u202e\u2066-\u2069\u200b-\u200f\x00-\x08\x0b-\x1f\x7f-\x9f]", html), name


def test_the_hostile_names_are_there_and_visible(data: Any, read_html: Reader) -> None:
    text = read_html(report.findings(data, limit=10_000).html).text
    for shown in ("</script><script>window.owned=1</script>", "invoice\\u202egpj.exe", "pump\\u200b\\u200d01"):
        assert shown in text


def test_headings_go_down_one_level_at_a_time(data: Any, read_html: Reader) -> None:
    parts = everything(data)
    order = ["header", "key_figures", "compliance", "severity", "check_matrix", "checks", "top_resources", "findings"]
    page = read_html("".join(parts[name] for name in order))
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_no_id_is_used_twice(data: Any, read_html: Reader) -> None:
    page = read_html("".join(everything(data).values()))
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))


def test_every_table_has_a_caption_and_every_scrolling_part_can_be_reached(data: Any, read_html: Reader) -> None:
    page = read_html("".join(everything(data).values()))
    assert len(page.texts["caption"]) == len(page.texts["table"])
    for _, attributes in page.tags:
        if attributes.get("class") == "dd-scroll":
            assert attributes["tabindex"] == "0"
            assert attributes["aria-label"]


def test_the_same_data_gives_the_same_sections(story: Any) -> None:
    assert everything(story.report_data(days=12)) == everything(story.report_data(days=12))


@pytest.mark.parametrize("days", [0, 1, 2])
def test_a_very_short_history_makes_every_section(days: int, story: Any) -> None:
    assert len(everything(story.report_data(days=days))) == 10


def test_mitigations_tell_what_became_of_the_problems(data: Any, read_html: Reader) -> None:
    html = report.mitigations(data).html
    page = read_html(html)
    effect = metrics.mitigation_effect(
        data.mitigation_tasks, data.mitigation_executions, data.findings, data.problems
    ).iloc[0]
    assert effect["resolved_count"] > 0
    (finding,) = [t for t in page.texts["p"] if "launch" in t]
    assert finding.startswith(f"1 launch treated {effect['problems_count']} problems")
    assert f"see {effect['resolved_count']} of them gone; 1 execution failed" in finding
    assert "Blank <b>policy</b> and Deactivate" in page.text
    assert "b" not in page.names()


def test_without_mitigations_the_section_says_so(data: Any, read_html: Reader) -> None:
    none = dataclasses.replace(data, mitigation_tasks=data.mitigation_tasks.iloc[:0])
    assert "No mitigation action was applied" in read_html(report.mitigations(none).html).text
