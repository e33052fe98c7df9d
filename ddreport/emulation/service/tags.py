"""Tags of the audit's resources: scheduled audits and mitigation actions."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from ddreport.emulation.service.component import Component, Params, Reply, operation
from ddreport.emulation.service_errors import LimitExceededError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_TAGS = 50


def with_tags(params: Params, tags: Mapping[str, str] = MappingProxyType({})) -> dict[str, str]:
    """Return `tags` with those of a request added or replaced; 50 are the limit (`LimitExceededError`)."""
    changed = {**tags, **{tag["Key"]: tag.get("Value", "") for tag in params.get("tags", ())}}
    if len(changed) > MOST_TAGS:
        raise LimitExceededError(f"A resource has at most {MOST_TAGS} tags.")
    return changed


class Tags(Component):
    """Tags live with what they are attached to; other resources of AWS IoT have none here."""

    @operation("TagResource")
    def tag(self, params: Params) -> Reply:
        """Add or replace tags."""
        tags = self._tags(params)
        tags.update(with_tags(params, tags))
        return {}

    @operation("UntagResource")
    def untag(self, params: Params) -> Reply:
        """Remove tags; those that are not there are fine."""
        tags = self._tags(params)
        for key in params["tagKeys"]:
            tags.pop(key, None)
        return {}

    @operation("ListTagsForResource")
    def list_tags(self, params: Params) -> Reply:
        """List all tags of a resource."""
        return {"tags": [{"Key": key, "Value": value} for key, value in self._tags(params).items()]}

    def _tags(self, params: Params) -> dict[str, str]:
        arn = params["resourceArn"]
        resource = self.backend.scheduled_audits.by_arn(arn) or self.backend.mitigation_actions.by_arn(arn)
        if resource is None:
            raise NotFoundError("The resource does not exist.")
        return resource.tags
