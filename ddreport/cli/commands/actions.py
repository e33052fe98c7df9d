"""`ddreport actions`: the mitigation actions that an account has defined, and their roles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ddreport.cli.options import ArchiveDir, EndpointUrl, Profile, Region, TargetNames
from ddreport.cli.output import Output
from ddreport.errors import InputError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from ddreport.aws.session import AwsSession
    from ddreport.mitigation.actions import MitigationAction
    from ddreport.workflows.mitigation_actions import ActionResult

LISTED = {"name": "Action", "type": "Type", "does": "What it does", "checks": "Checks", "role": "Role"}
MADE = {"name": "Action", "type": "Type", "status": "Status", "does": "What it does", "role": "Role"}

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the action.")]
Role = Annotated[
    str | None,
    typer.Option("--role", metavar="ROLE", help="Role that the action runs as: its ARN, or its name in this account."),
]
CreateRole = Annotated[
    bool, typer.Option("--create-role", help="Make the role, trusted by this action only and allowed what it needs.")
]
NoCheck = Annotated[
    bool, typer.Option("--no-check-role", help="Do not read the role from IAM to see whether it can work.")
]
LogLevel = Annotated[
    str | None, typer.Option("--logging-level", metavar="LEVEL", help="ENABLE_IOT_LOGGING: DEBUG, INFO, WARN or ERROR.")
]
LoggingRole = Annotated[
    str | None,
    typer.Option(
        "--logging-role", metavar="ROLE", help="ENABLE_IOT_LOGGING: the role that AWS IoT writes its logs as."
    ),
]
Groups = Annotated[
    list[str] | None,
    typer.Option("--group", metavar="GROUP", help="ADD_THINGS_TO_THING_GROUP: a thing group; up to 10 times."),
]
Override = Annotated[
    bool | None,
    typer.Option(
        "--override-dynamic-groups/--no-override-dynamic-groups",
        help="ADD_THINGS_TO_THING_GROUP: a thing in 10 groups leaves dynamic ones to make room.",
    ),
]
Topic = Annotated[
    str | None, typer.Option("--topic", metavar="ARN", help="PUBLISH_FINDING_TO_SNS: the topic, in the same Region.")
]

app = typer.Typer(
    help=(
        "The mitigation actions that an account has defined: AWS's stored definitions of what may be done about "
        "findings.\n\nDefining one changes no device; `ddreport mitigate` applies them. Each runs as an IAM role of "
        "its own: `--create-role` makes one that only this action can use, or `--role` names one, which is checked "
        "first."
    ),
    no_args_is_help=True,
)


def register(main: typer.Typer) -> None:
    """Add the commands to the application."""
    main.add_typer(app, name="actions")


@app.command("list")
def list_(
    ctx: typer.Context,
    *,
    target: TargetNames = None,
    profile: Profile = None,
    region: Region = None,
    endpoint_url: EndpointUrl = None,
    archive: ArchiveDir = None,
    check: Annotated[
        str | None, typer.Option("--check", metavar="CHECK", help="Only those that can treat findings of this check.")
    ] = None,
) -> None:
    """List the defined actions with what each does to a finding's resource."""
    from ddreport.workflows.mitigation_actions import describe_fitting, list_actions

    out: Output = ctx.obj
    with _session(target, profile, region, endpoint_url, archive) as session:
        found = list_actions(session, check_name=check)
    out.table([_row(action, out) for action in found], LISTED, empty="No mitigation actions are defined.")
    if check:
        out.note(describe_fitting(check, found))
    elif not found:
        out.note("`ddreport actions defaults` creates those of AWS's tutorial.")


@app.command()
def show(
    ctx: typer.Context,
    name: Name,
    *,
    target: TargetNames = None,
    profile: Profile = None,
    region: Region = None,
    endpoint_url: EndpointUrl = None,
    archive: ArchiveDir = None,
) -> None:
    """Show one action: what it does, how that is undone, for which checks, as which role; and check that role."""
    from ddreport.workflows.mitigation_actions import find_action

    out: Output = ctx.obj
    with _session(target, profile, region, endpoint_url, archive) as session:
        result = find_action(session, name)
    _show(out, result)


@app.command()
def create(
    ctx: typer.Context,
    name: Name,
    *,
    type_: Annotated[str, typer.Option("--type", metavar="TYPE", help="One of AWS's six types, see below.")],
    role: Role = None,
    create_role: CreateRole = False,
    no_check_role: NoCheck = False,
    logging_level: LogLevel = None,
    logging_role: LoggingRole = None,
    group: Groups = None,
    override_dynamic_groups: Override = None,
    topic: Topic = None,
    target: TargetNames = None,
    profile: Profile = None,
    region: Region = None,
    endpoint_url: EndpointUrl = None,
    archive: ArchiveDir = None,
) -> None:
    r"""Create an action. The same one again changes nothing; another one of that name is refused.

    \b
    Types and what they take:
      UPDATE_DEVICE_CERTIFICATE       nothing
      UPDATE_CA_CERTIFICATE           nothing
      ADD_THINGS_TO_THING_GROUP       --group (1 to 10), --override-dynamic-groups
      REPLACE_DEFAULT_POLICY_VERSION  nothing
      ENABLE_IOT_LOGGING              --logging-level, --logging-role
      PUBLISH_FINDING_TO_SNS          --topic

    \b
    Examples:
      ddreport actions create EnableErrorLoggingAction --type ENABLE_IOT_LOGGING --logging-level ERROR
        --logging-role AWSIoTLoggingRole --create-role
      ddreport actions create Quarantine --type ADD_THINGS_TO_THING_GROUP --group Quarantine --role Mitigate
    """
    from ddreport.mitigation.action_rules import parse_action_type
    from ddreport.workflows.mitigation_actions import define_action

    out: Output = ctx.obj
    kind = parse_action_type(type_)
    with _session(target, profile, region, endpoint_url, archive, changes=True) as session:
        result = define_action(
            session,
            name,
            kind,
            role=role,
            create_role=create_role,
            check=not no_check_role,
            options=_options(logging_level, logging_role, group, override_dynamic_groups, topic),
        )
    _show(out, result)


@app.command()
def update(
    ctx: typer.Context,
    name: Name,
    *,
    role: Role = None,
    no_check_role: NoCheck = False,
    logging_level: LogLevel = None,
    logging_role: LoggingRole = None,
    group: Groups = None,
    override_dynamic_groups: Override = None,
    topic: Topic = None,
    target: TargetNames = None,
    profile: Profile = None,
    region: Region = None,
    endpoint_url: EndpointUrl = None,
    archive: ArchiveDir = None,
) -> None:
    """Give an action another role or other parameters; what is not given stays. Its type cannot change.

    Mitigation tasks that are running keep the definition that they began with. A plan that was made with the earlier
    definition is refused when it is applied.
    """
    from ddreport.workflows.mitigation_actions import change_action

    out: Output = ctx.obj
    with _session(target, profile, region, endpoint_url, archive, changes=True) as session:
        result = change_action(
            session,
            name,
            role=role,
            check=not no_check_role,
            options=_options(logging_level, logging_role, group, override_dynamic_groups, topic),
        )
    _show(out, result)


@app.command()
def delete(
    ctx: typer.Context,
    name: Name,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    target: TargetNames = None,
    profile: Profile = None,
    region: Region = None,
    endpoint_url: EndpointUrl = None,
    archive: ArchiveDir = None,
) -> None:
    """Delete an action, after asking. Its role stays, and so does what it has done."""
    from ddreport.aws.mitigation_actions import delete_action
    from ddreport.mitigation.action_rules import check_action_name

    out: Output = ctx.obj
    check_action_name(name)
    if not yes and not _agreed(f"Delete the mitigation action {name}?"):
        out.note("Nothing was deleted.")
        out.exit_code = 1
        return
    with _session(target, profile, region, endpoint_url, archive, changes=True) as session:
        existed = delete_action(session.iot, name)
    out.result(
        {"name": name, "status": "deleted" if existed else "absent"},
        text=f"The mitigation action {name} {'is deleted' if existed else 'did not exist'}.",
    )


@app.command()
def defaults(
    ctx: typer.Context,
    *,
    type_: Annotated[
        list[str] | None, typer.Option("--type", metavar="TYPE", help="Only this type; may be repeated (default: all).")
    ] = None,
    role: Role = None,
    create_role: CreateRole = False,
    no_check_role: NoCheck = False,
    logging_level: LogLevel = None,
    logging_role: LoggingRole = None,
    group: Groups = None,
    topic: Topic = None,
    target: TargetNames = None,
    profile: Profile = None,
    region: Region = None,
    endpoint_url: EndpointUrl = None,
    archive: ArchiveDir = None,
) -> None:
    """Create the actions of AWS's tutorial, one of each type; those that are there already stay as they are.

    EnableErrorLoggingAction logs at level ERROR as AWSIoTLoggingRole; QuarantineThingsAction uses the thing group
    Quarantine, and PublishFindingAction the topic IoTDDNotifications, unless other ones are given. Each runs as a role
    of its own (`--create-role` makes them, with the one for logging) or all as `--role`. The group and the topic are
    not made: they must exist when the action is applied.
    """
    from ddreport.mitigation.action_rules import parse_action_type
    from ddreport.workflows.mitigation_actions import define_defaults

    out: Output = ctx.obj
    kinds = [parse_action_type(word) for word in type_ or ()]
    given = _options(logging_level, logging_role, group, None, topic)
    with _session(target, profile, region, endpoint_url, archive, changes=True) as session:
        results = define_defaults(
            session,
            kinds,
            role=role,
            create_role=create_role,
            check=not no_check_role,
            options={name: value for name, value in given.items() if value is not None},
        )
    rows = [_row(r.action, out) | {"status": r.status, "arn": r.arn, "notes": list(r.notes)} for r in results]
    out.table(rows, MADE, empty="No types.")
    for result in results:
        for note in result.notes:
            out.warn(note)


def _session(
    target: list[str] | None,
    profile: str | None,
    region: str | None,
    endpoint_url: str | None,
    archive: Path | None,
    *,
    changes: bool = False,
) -> AbstractContextManager[AwsSession]:
    from ddreport.cli.options import chosen_targets
    from ddreport.connect import connect
    from ddreport.workflows.load import open_archive
    from ddreport.workflows.sessions import session_for

    targets = chosen_targets(target, profile=profile, region=region, endpoint_url=endpoint_url)
    if len(targets) > 1:
        raise InputError(
            f"actions belong to one account and Region; {len(targets)} targets are given.",
            hint="run the command once for each.",
        )
    if changes:
        from ddreport.workflows.mitigating.targets import refuse_read_only

        refuse_read_only(targets[0])
    if not targets[0].is_demo:
        return connect(targets[0])
    # The demo account is the one of an archive, and what is defined in it stays there.
    return session_for(targets[0], open_archive([targets[0].name], archive or ""))


def _options(
    logging_level: str | None,
    logging_role: str | None,
    group: list[str] | None,
    override: bool | None,  # noqa: FBT001 - an option of the command line
    topic: str | None,
) -> dict[str, Any]:
    return {
        "log_level": logging_level.upper() if logging_level else None,
        "logging_role_arn": logging_role,
        "thing_group_names": group or None,
        "override_dynamic_groups": override,
        "topic_arn": topic,
    }


def _agreed(question: str) -> bool:
    import sys

    if not sys.stdin.isatty():
        raise InputError("this asks for a yes, and nobody is there to give it.", hint="give --yes.")
    return typer.confirm(question, err=True)


def _row(action: MitigationAction, out: Output) -> dict[str, Any]:
    from ddreport.catalogue import checks

    fitting = [check.name for check in checks().values() if action.action_type in check.mitigation_action_types]
    row: dict[str, Any] = {
        "name": action.name,
        "type": action.action_type.value,
        "does": action.in_words(),
        "role": action.role_arn,
    }
    if out.json:
        undo = {"is_reversible": action.is_reversible, "undo": action.undo_in_words()}
        return row | undo | {"checks": fitting, "parameters": action.api_params()}
    return row | {"checks": "all" if len(fitting) == len(checks()) else len(fitting)}


def _show(out: Output, result: ActionResult) -> None:
    row = _row(result.action, out)
    if out.json:
        out.result(row | {"status": result.status, "arn": result.arn, "notes": list(result.notes)})
        return
    from ddreport.catalogue import checks

    action = result.action
    fitting = [c.name for c in checks().values() if action.action_type in c.mitigation_action_types]
    out.line(f"{action.name} ({action.action_type.value}): {result.status}")
    out.line(f"  It {action.in_words()}.")
    out.line(f"  It {action.undo_in_words()}.")
    out.line(f"  Role: {action.role_arn}{' (made now)' if result.role_made else ''}")
    out.line(f"  Checks: {'all' if len(fitting) == len(checks()) else ', '.join(fitting)}")
    for note in result.notes:
        out.warn(note)
