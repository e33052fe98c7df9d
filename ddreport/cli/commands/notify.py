"""`ddreport notify`: a message when something got worse or better since the last one."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ddreport.cli.commands.problems import open_lives, say_notes
from ddreport.cli.options import ArchiveDir, CheckNames, EndpointUrl, Profile, Region, TargetNames, ad_hoc_name
from ddreport.cli.output import Output
from ddreport.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from botocore.client import BaseClient

    from ddreport.notification.channels import Channel
    from ddreport.targets import Target
    from ddreport.workflows.notifying import Told

OnWorse = Annotated[
    bool,
    typer.Option("--on-worse", help="Send when something got worse or better since the last message (always so)."),
]
WorseOnly = Annotated[bool, typer.Option("--worse-only", help="Keep quiet about what only got better.")]
Sns = Annotated[
    list[str] | None, typer.Option("--sns", metavar="ARN", help="Publish to this SNS topic; may be repeated.")
]
Email = Annotated[
    list[str] | None, typer.Option("--email", metavar="ADDRESS", help="Send a mail to this address; may be repeated.")
]
WebhookUrl = Annotated[
    str | None,
    typer.Option(
        "--webhook", metavar="URL", help="Send JSON to this address; one that is a secret: DDREPORT_WEBHOOK_URL."
    ),
]
SmtpHost = Annotated[str, typer.Option("--smtp-host", metavar="HOST", help="Mail server; it must offer STARTTLS.")]
SmtpPort = Annotated[int, typer.Option("--smtp-port", min=1, max=65535)]
SmtpFrom = Annotated[str, typer.Option("--smtp-from", metavar="ADDRESS", help="Who the mail is from.")]
SmtpUser = Annotated[
    str, typer.Option("--smtp-user", metavar="NAME", help="User; the password is DDREPORT_SMTP_PASSWORD.")
]
Report = Annotated[
    str, typer.Option("--report", metavar="PATH|URL", help="Where the report is; it stands in the message.")
]
Sla = Annotated[
    str | None, typer.Option("--sla", metavar="DAYS", help="When problems are overdue, such as critical=3,high=14.")
]
State = Annotated[
    Path | None,
    typer.Option("--state", metavar="FILE", help="What was told last (default: notifications.json in the archive)."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what would be sent; remember nothing.")]

COLUMNS = {"channel": "Receiver", "status": "Status", "subject": "Subject"}


def register(app: typer.Typer) -> None:
    """Add the command to the application."""

    @app.command()
    def notify(
        ctx: typer.Context,
        *,
        on_worse: OnWorse = True,
        worse_only: WorseOnly = False,
        sns: Sns = None,
        email: Email = None,
        webhook: WebhookUrl = None,
        smtp_host: SmtpHost = "",
        smtp_port: SmtpPort = 587,
        smtp_from: SmtpFrom = "",
        smtp_user: SmtpUser = "",
        report: Report = "",
        sla: Sla = None,
        target: TargetNames = None,
        profile: Profile = None,
        region: Region = None,
        endpoint_url: EndpointUrl = None,
        archive: ArchiveDir = None,
        check: CheckNames = None,
        state: State = None,
        dry_run: DryRun = False,
    ) -> None:
        """Send a message if something got worse or better since the last one: what, with counts and the report's place.

        For a daily job, after `ddreport pull` and `ddreport report`. News are problems that are new, reopened, no
        longer suppressed, unknown or resolved, the share of compliant checks, and how many problems are overdue. Each
        receiver is told since it was told last; the first time, only what is known is remembered. A message that could
        not be sent comes with the next run (exit code 1); killed at the wrong moment, the same message comes twice,
        with the same id. Secrets come from the environment only and are written nowhere.

        Example: ddreport notify --on-worse -t prod-eu --sns arn:aws:sns:eu-west-1:111122223333:fleet --report URL
        """
        from ddreport.metrics.sla import SlaPolicy
        from ddreport.workflows.notifying import notify as run

        del on_worse  # the only way there is, and the word that says so
        out: Output = ctx.obj
        if endpoint_url and not sns:
            raise InputError("--endpoint-url says where --sns is published; there is no --sns.")
        _refuse_remote(archive, state)
        policy = SlaPolicy.parse(sla) if sla else SlaPolicy()
        mail = {"host": smtp_host, "port": smtp_port, "sender": smtp_from, "user": smtp_user}
        url = webhook or os.environ.get("DDREPORT_WEBHOOK_URL")
        names = target or [ad_hoc_name(profile, region)]
        channels = _channels(sns, email, url, mail, _caller(names, target, profile, region, endpoint_url))
        lives = open_lives(out, target, profile, region, archive, check, "duckdb")
        told = run(
            lives,
            channels,
            targets=names,
            checks=check or (),
            policy=policy,
            report=report,
            worse_only=worse_only,
            dry_run=dry_run,
            state_file=state,
        )
        _show(out, told)
        say_notes(out, lives)


def _refuse_remote(archive: Path | None, state: Path | None) -> None:
    """Refuse an archive in S3 without a place to remember: its copy here may be removed at any time."""
    from ddreport.archive.remote import is_remote
    from ddreport.settings import Settings

    if state is None and is_remote(Settings.from_env(archive=archive).archive_dir):
        raise InputError(
            "the archive is in S3, and what was told last is remembered in a file of this machine.",
            hint="name one with --state that the next run finds again.",
        )


def _channels(
    sns: list[str] | None, email: list[str] | None, webhook: str | None, mail: dict[str, Any], caller: Target | None
) -> list[Channel]:
    from ddreport.notification.channels import Mail, Topic, Webhook

    @contextmanager
    def client(region: str) -> Iterator[BaseClient]:
        from dataclasses import replace

        from ddreport.aws.session import connect_session

        if caller is None:  # refused before
            raise InputError("nobody says who publishes to the topic.")
        with connect_session(replace(caller, region=region)) as session:
            yield session.sns

    if sns and caller is None:
        raise InputError(
            "the demo publishes to no topic.", hint="use --webhook or --email, or another target with --sns."
        )
    found: list[Channel] = [Topic(arn, client) for arn in dict.fromkeys(sns or ())]
    password = os.environ.get("DDREPORT_SMTP_PASSWORD", "") if mail["user"] else ""
    found += [Mail(to, password=password, **mail) for to in dict.fromkeys(email or ())]
    if webhook:
        found.append(Webhook(webhook))
    if not found:
        raise InputError("nobody is to be told.", hint="give --sns, --email or --webhook.")
    return found


def _caller(
    names: list[str], target: list[str] | None, profile: str | None, region: str | None, endpoint_url: str | None
) -> Target | None:
    """Return whose credentials publish to a topic: those of the first target."""
    from ddreport.connect import read_targets
    from ddreport.targets import make_target

    if target:
        known = read_targets().get(target[0])
        # Pulled once, and named in the configuration no more: the standard credentials then.
        return None if known is not None and known.is_demo else known or make_target(names[0])
    return make_target(names[0], profile=profile, region=region, endpoint_url=endpoint_url)


def _show(out: Output, told: list[Told]) -> None:
    out.table(
        [
            {
                "channel": one.channel,
                "status": one.status,
                "subject": one.message.subject if one.message else "",
                **({"message": one.message.data if one.message else None} if out.json else {}),
            }
            for one in told
        ],
        COLUMNS,
        empty="Nobody is to be told.",
    )
    shown = {one.message.id: one.message for one in told if one.message and one.status == "would be sent"}
    for message in shown.values() if not out.json else ():
        out.result(None, text=message.text)
    for one in told:
        if one.status == "first time":
            out.note(f"{one.channel}: remembered what is known now; from the next run on it is told what changed.")
        if one.error is not None:
            out.warn(f"{one.channel}: {one.error}")
            out.exit_code = 1
