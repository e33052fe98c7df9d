"""The tables of an inventory: what AWS IoT holds in one account and Region, as one look around found it.

Every table has `observed_time`, the moment at which the look around began. Which of them were read at all says
`inventory_status`: a table that was refused has no rows, and without that row it would look like "there are none".

ARNs that follow from account, Region and id are left out: an id is 32 random bytes, and twice is twice as much to keep.
"""

from __future__ import annotations

from ddreport.schema_types import COUNT, FLAG, TEXT, TIME, Column, Schema

_ACCOUNT = Column("account", TEXT, "12-digit AWS account id (text: it may begin with 0)")
_REGION = Column("region", TEXT, "AWS Region of the inventory")
_OBSERVED = Column("observed_time", TIME, "when the inventory was begun, by AWS's clock")
_CREATED = Column("creation_time", TIME, "AWS's `creationDate`", nullable=True)
_MODIFIED = Column("last_modified_time", TIME, "AWS's `lastModifiedDate`", nullable=True)
_NOT_BEFORE = Column("not_before_time", TIME, "begin of its validity; AWS's `validity.notBefore`", nullable=True)
_NOT_AFTER = Column("not_after_time", TIME, "end of its validity; AWS's `validity.notAfter`", nullable=True)
_MODE = Column("certificate_mode", TEXT, "`DEFAULT`, or `SNI_ONLY` when registered without a CA", nullable=True)
_OWNED_BY = Column("owned_by", TEXT, "account that owns it", nullable=True)
_SUBJECT = Column("subject", TEXT, "distinguished name (RFC 4514) of its holder, read from the PEM", nullable=True)
_ISSUER = Column("issuer", TEXT, "distinguished name (RFC 4514) of who signed it, read from the PEM", nullable=True)
_SERIAL = Column("serial_number", TEXT, "serial number, hex in lower case, read from the PEM", nullable=True)
_ALGORITHM = Column("key_algorithm", TEXT, "`RSA`, `EC` or another kind of key, read from the PEM", nullable=True)
_BITS = Column("key_bits", COUNT, "size of the key in bits, read from the PEM", nullable=True)
_DESCRIBED = Column(
    "described_time", TIME, "when AWS described it, by AWS's clock; earlier than `observed_time` when known before"
)
_POLICY = Column("policy_name", TEXT, "name of the IoT policy")
_THING = Column("thing_name", TEXT, "name of the thing")
_GROUP = Column("thing_group_name", TEXT, "name of the thing group")

CERTIFICATES = Schema(
    "certificates",
    "One row per device certificate registered with AWS IoT.",
    ("account", "region", "observed_time", "certificate_id"),
    (
        _ACCOUNT,
        _REGION,
        _OBSERVED,
        Column("certificate_id", TEXT, "AWS's id: the sha256 of the certificate, hex in lower case"),
        Column("status", TEXT, "`ACTIVE`, `INACTIVE`, `REVOKED`, `PENDING_TRANSFER`, …, as last listed"),
        _MODE,
        _CREATED,
        _MODIFIED,
        _NOT_BEFORE,
        _NOT_AFTER,
        Column("ca_certificate_id", TEXT, "the registered CA that signed it; missing when none did", nullable=True),
        _OWNED_BY,
        Column("previous_owned_by", TEXT, "account that it was transferred from", nullable=True),
        _SUBJECT,
        _ISSUER,
        _SERIAL,
        _ALGORITHM,
        _BITS,
        _DESCRIBED,
    ),
)

CA_CERTIFICATES = Schema(
    "ca_certificates",
    "One row per CA certificate registered with AWS IoT.",
    ("account", "region", "observed_time", "ca_certificate_id"),
    (
        _ACCOUNT,
        _REGION,
        _OBSERVED,
        Column("ca_certificate_id", TEXT, "AWS's id of the CA certificate, hex in lower case"),
        Column("status", TEXT, "`ACTIVE` or `INACTIVE`"),
        Column(
            "auto_registration_status", TEXT, "`ENABLE`: devices register by connecting; or `DISABLE`", nullable=True
        ),
        _MODE,
        _CREATED,
        _MODIFIED,
        _NOT_BEFORE,
        _NOT_AFTER,
        _OWNED_BY,
        _SUBJECT,
        _ISSUER,
        _SERIAL,
        _ALGORITHM,
        _BITS,
        Column("registration_template_name", TEXT, "provisioning template used for registration", nullable=True),
        Column("registration_role_arn", TEXT, "role used for registration", nullable=True),
    ),
)

POLICIES = Schema(
    "policies",
    "One row per AWS IoT policy.",
    ("account", "region", "observed_time", "policy_name"),
    (
        _ACCOUNT,
        _REGION,
        _OBSERVED,
        _POLICY,
        Column("policy_arn", TEXT, "its ARN"),
        Column("default_version_id", TEXT, "the version that is in force", nullable=True),
        Column("versions_count", COUNT, "versions that AWS keeps of it (at most 5)"),
    ),
)

POLICY_VERSIONS = Schema(
    "policy_versions",
    "One row per version of an AWS IoT policy.",
    ("account", "region", "observed_time", "policy_name", "policy_version_id"),
    (
        _ACCOUNT,
        _REGION,
        _OBSERVED,
        _POLICY,
        Column("policy_version_id", TEXT, "number of the version"),
        Column("is_default_version", FLAG, "whether this version is in force"),
        _CREATED,
        Column("policy_document", TEXT, "the policy's JSON as canonical JSON; a text that is no JSON as it is"),
    ),
)

POLICY_TARGETS = Schema(
    "policy_targets",
    "One row per thing group, certificate or other principal that an AWS IoT policy is attached to.",
    ("account", "region", "observed_time", "policy_name", "target_type", "target_id"),
    (
        _ACCOUNT,
        _REGION,
        _OBSERVED,
        _POLICY,
        Column("target_type", TEXT, "`certificate`, `thing_group`, `cognito_identity` or `other`"),
        Column("target_id", TEXT, "certificate id, name of the group, id of the identity; else AWS's `target`"),
    ),
)

THINGS = Schema(
    "things",
    "One row per thing in the registry.",
    ("account", "region", "observed_time", "thing_name"),
    (
        _ACCOUNT,
        _REGION,
        _OBSERVED,
        _THING,
        Column("thing_arn", TEXT, "its ARN", nullable=True),
        Column("thing_type_name", TEXT, "its thing type; missing when it has none", nullable=True),
        Column("attributes", TEXT, "its attributes as canonical JSON; `{}` for none"),
        Column("version", COUNT, "version of its record; every change adds one", nullable=True),
    ),
)

THING_GROUPS = Schema(
    "thing_groups",
    "One row per thing group, static or dynamic.",
    ("account", "region", "observed_time", "thing_group_name"),
    (
        _ACCOUNT,
        _REGION,
        _OBSERVED,
        _GROUP,
        Column("thing_group_arn", TEXT, "its ARN"),
        Column("parent_group_name", TEXT, "group that it lies in; missing at the top", nullable=True),
        Column("is_dynamic", FLAG, "true when a query, not somebody, puts things into it"),
        Column("query_string", TEXT, "that query; missing for a static group", nullable=True),
        Column("description", TEXT, "its description", nullable=True),
        Column("attributes", TEXT, "its attributes as canonical JSON; `{}` for none"),
        _CREATED,
        Column("version", COUNT, "version of its record", nullable=True),
    ),
)

THING_GROUP_MEMBERS = Schema(
    "thing_group_members",
    "One row per thing and thing group that it is a direct member of.",
    ("account", "region", "observed_time", "thing_group_name", "thing_name"),
    (_ACCOUNT, _REGION, _OBSERVED, _GROUP, _THING),
)

THING_PRINCIPALS = Schema(
    "thing_principals",
    "One row per thing and principal (certificate or Cognito identity) attached to it.",
    ("account", "region", "observed_time", "thing_name", "principal_type", "principal_id"),
    (
        _ACCOUNT,
        _REGION,
        _OBSERVED,
        _THING,
        Column("principal_type", TEXT, "`certificate`, `cognito_identity` or `other`"),
        Column("principal_id", TEXT, "certificate id, id of the identity; else AWS's `principal`"),
    ),
)

ROLE_ALIASES = Schema(
    "role_aliases",
    "One row per role alias: an IAM role that devices take on with their certificate.",
    ("account", "region", "observed_time", "role_alias"),
    (
        _ACCOUNT,
        _REGION,
        _OBSERVED,
        Column("role_alias", TEXT, "name of the alias"),
        Column("role_alias_arn", TEXT, "its ARN; the `resource_id` of its findings", nullable=True),
        Column("role_arn", TEXT, "the role that it stands for"),
        Column("owner", TEXT, "account that owns it", nullable=True),
        Column("credential_duration_seconds", COUNT, "how long the credentials last, in seconds", nullable=True),
        _CREATED,
        _MODIFIED,
    ),
)

INVENTORY_STATUS = Schema(
    "inventory_status",
    "One row per table of an inventory: whether it was read, and if not, why.",
    ("account", "region", "observed_time", "table_name"),
    (
        _ACCOUNT,
        _REGION,
        _OBSERVED,
        Column("table_name", TEXT, "name of the table"),
        Column("pulled", FLAG, "true when the whole table was read; false: its emptiness means nothing"),
        Column("rows_count", COUNT, "rows that it has; missing when it was not read", nullable=True),
        Column("operation", TEXT, "the refused operation, such as `iot:DescribeCertificate`", nullable=True),
        Column("error_code", TEXT, "AWS's code, or `NotAsked` when nobody asked for this table", nullable=True),
        Column("message", TEXT, "what happened, in plain words", nullable=True),
    ),
)

INVENTORY_SCHEMAS: tuple[Schema, ...] = (
    CERTIFICATES,
    CA_CERTIFICATES,
    POLICIES,
    POLICY_VERSIONS,
    POLICY_TARGETS,
    THINGS,
    THING_GROUPS,
    THING_GROUP_MEMBERS,
    THING_PRINCIPALS,
    ROLE_ALIASES,
    INVENTORY_STATUS,
)
"""Every table of an inventory."""
