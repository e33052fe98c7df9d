"""Plan files: YAML for people (one line per finding, so that a diff shows findings), or JSON for programs.

The YAML holds JSON values on lines of its own, which is YAML as well. Characters that change how a text reads without
showing (direction overrides, zero-width ones, line separators) are written as escapes: what a reviewer reads is what
is there.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ddreport.errors import PlanError
from ddreport.mitigation.plan import Plan, check_plan

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

_HIDDEN = re.compile(
    "[\x7f-\xa0\xad\u061c\u180e\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufe00-\ufe0f\ufeff\ufff0-\uffff\ud800-\udfff\U000e0000-\U000e0fff]"
)
_LINES = ("findings", "left_alone", "actions")


def plan_text(plan: Plan, *, form: str = "yaml") -> str:
    """Return a plan as text; `form` is `yaml` or `json`."""
    waves = max((f.wave for f in plan.findings), default=0)
    tasks = plan.cost.aws_tasks
    head = (
        f"Mitigation plan {plan.short}: {len(plan.findings)} findings in {waves} waves, {tasks} AWS tasks",
        "Any change makes the digest wrong: make a new plan instead. Apply it with: ddreport mitigate apply FILE",
    )
    return text_of(msgspec.to_builtins(plan), head=head, lines=_LINES, form=form)


def text_of(content: dict[str, Any], *, head: Sequence[str], lines: Collection[str], form: str) -> str:
    """Return a document as text; `form` is `yaml` or `json`.

    Parameters
    ----------
    head
        Comments at the top of the YAML.
    lines
        Members whose items stand on lines of their own.
    """
    if form == "json":
        return (
            _HIDDEN.sub(lambda found: json.dumps(found[0])[1:-1], json.dumps(content, ensure_ascii=False, indent=1))
            + "\n"
        )
    return "\n".join([*(f"# {line}" for line in head), *_yaml_lines(content, lines)]) + "\n"


def _yaml_lines(content: dict[str, Any], lines: Collection[str]) -> Iterator[str]:
    for key, value in content.items():
        if key in lines and value:
            yield f"{key}:"
            yield from (f"- {_json(item)}" for item in value)
        elif isinstance(value, dict) and value:
            yield f"{key}:"
            yield from (f"  {name}: {_json(inner)}" for name, inner in value.items())
        else:
            yield f"{key}: {_json(value)}"


_ENCODER = json.JSONEncoder(ensure_ascii=False)


def _json(value: Any) -> str:
    text = _ENCODER.encode(value)
    # Nearly every line is plain, and a plan has thousands.
    return text if text.isascii() and "\x7f" not in text else _HIDDEN.sub(_yaml_escape, text)


def _yaml_escape(found: re.Match[str]) -> str:
    # Not JSON's pair of escapes for what is beyond 16 bits: YAML would read two halves.
    return f"\\U{ord(found[0]):08x}" if ord(found[0]) > 0xFFFF else f"\\u{ord(found[0]):04x}"


def parse_plan(text: str, *, source: str) -> Plan:
    """Read and check a plan; `source` names the file in messages.

    Raises
    ------
    PlanError
        It is no plan, or it was changed after it was made.
    """
    content = load_document(text, source=source)
    if not isinstance(content, dict) or "digest" not in content or "findings" not in content:
        raise PlanError(f"{source} is no mitigation plan.", hint="`ddreport mitigate plan` makes one.")
    try:
        plan = msgspec.convert(content, Plan)
    except msgspec.ValidationError as exc:
        raise PlanError(
            f"{source} was changed after it was made, or is the plan of another version: {exc}.",
            hint="make the plan anew with `ddreport mitigate plan`.",
        ) from exc
    return check_plan(plan, source=source)


_NESTED = re.compile(r"(?:[\[{?:-][\s,]*){2000}")


def load_document(text: str, *, source: str) -> Any:
    """Read YAML or JSON into lists, dicts, texts and numbers (`PlanError`)."""
    import yaml

    # libyaml itself goes down with the process on what is nested a hundred thousand times.
    if _NESTED.search(text):
        raise PlanError(f"{source} is no plan: it is nested too deeply.")
    try:
        if text.lstrip().startswith("{"):
            return json.loads(text, object_pairs_hook=_once)
        return yaml.load(text, Loader=_loader())  # noqa: S506 - made from the safe one
    except (ValueError, yaml.YAMLError) as exc:
        raise PlanError(f"{source} is neither YAML nor JSON: {' '.join(str(exc).split())}.") from exc
    except RecursionError:
        raise PlanError(f"{source} is no plan: it is nested too deeply.") from None


def _once(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    """Return the members of a mapping, none of which is there twice: a reader would see one, and the other count."""
    names = [name for name, _ in pairs]
    if other := [name for name in names if not isinstance(name, str)]:
        raise ValueError(f"{other[0]!r} is no text, and a name must be one")
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice!r} is there twice")
    return found


def _loader() -> Any:
    """Return YAML's fast safe loader, without its types beyond JSON's: a time stays the text that the digest saw."""
    import yaml

    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    resolvers = {
        first: [(tag, pattern) for tag, pattern in known if tag != "tag:yaml.org,2002:timestamp"]
        for first, known in base.yaml_implicit_resolvers.items()
    }
    return type("Loader", (base,), {"yaml_implicit_resolvers": resolvers, "construct_mapping": _mapping})


def _mapping(loader: Any, node: Any, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - called by YAML
    return _once(
        [(loader.construct_object(k, deep=True), loader.construct_object(v, deep=deep)) for k, v in node.value]
    )


def read_plan(path: Path) -> Plan:
    """Read and check the plan in a file (`PlanError`)."""
    return parse_plan(read_text(path), source=str(path))


def read_text(path: Path) -> str:
    """Return the text of a plan's file (`PlanError`)."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        reason = getattr(exc, "strerror", None) or str(exc)
        raise PlanError(f"the plan {path} cannot be read: {reason}.") from exc


def write_plan(plan: Plan, path: Path) -> None:
    """Write a plan to a new file, whole or not at all; `.json` gives JSON, everything else YAML.

    Raises
    ------
    PlanError
        The file exists already with another plan, or cannot be written.
    """
    write_text(plan_text(plan, form="json" if path.suffix == ".json" else "yaml"), path)


def write_text(text: str, path: Path) -> None:
    """Write a plan's text to a new file, as `write_plan` does."""
    try:
        if path.exists():
            if path.read_text(encoding="utf-8") == text:
                return
            raise PlanError(
                f"{path} exists already; a plan is never overwritten.",
                hint="give --out another name, or remove the old plan if it was never applied.",
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(name).chmod(0o644)
            os.link(name, path)  # unlike a rename this never replaces a file that appeared meanwhile
        finally:
            Path(name).unlink()
    except FileExistsError as exc:
        raise PlanError(f"{path} appeared while the plan was made; nothing was overwritten.") from exc
    except OSError as exc:
        raise PlanError(f"the plan cannot be written to {path}: {exc.strerror}.") from exc
