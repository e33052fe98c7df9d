from datetime import UTC, datetime

import pytest
from botocore.config import Config
from botocore.credentials import DeferredRefreshableCredentials

from ddreport.aws import connect_session
from ddreport.aws.rates import RateLimiter
from ddreport.errors import AwsCallError, CredentialsError, EndpointError, TargetError
from ddreport.targets import Target
from ddreport.version import __version__


@pytest.fixture
def keys(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-a-secret-but-looks-like-one")


def test_identity_names_account_region_and_caller(connect, canned):
    identity = connect().identity()
    assert (identity.account, identity.region) == (canned.ACCOUNT, "eu-west-1")
    assert identity.arn == f"arn:aws:iam::{canned.ACCOUNT}:user/reader"


def test_identity_takes_the_time_from_aws_not_from_this_machine(connect, server):
    server.data.now = datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)
    assert connect().identity().as_of == datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)


@pytest.mark.parametrize("emulator", [True, False])
def test_identity_says_whether_the_emulator_answered(connect, server, emulator):
    server.data.emulator = emulator
    assert connect().identity().emulated is emulator


def test_requests_name_ddreport_and_its_version(connect, server):
    connect().identity()
    assert all(f"ddreport/{__version__}" in agent for agent in server.user_agents)


def test_calls_are_tried_eight_times_and_slowed_down_by_nothing_but_our_own_limiter(server):
    with connect_session(Target("t", region="eu-west-1", endpoint_url=server.endpoint)) as session:
        assert session.iot.meta.config.retries == {"mode": "standard", "total_max_attempts": 8}


def test_sessions_of_one_account_can_share_a_limiter_at_any_time(connect, server):
    first, second = connect(), connect()
    first.iot.describe_account_audit_configuration()
    shared = RateLimiter()
    asked = []
    shared.acquire = asked.append
    first.limiter = second.limiter = shared
    first.iot.describe_account_audit_configuration()
    second.iot.describe_account_audit_configuration()
    assert asked == ["DescribeAccountAuditConfiguration"] * 2


def test_a_session_can_be_told_to_send_nothing_any_more(connect, server):
    class EnoughError(Exception):
        pass

    def refuse():
        raise EnoughError

    session = connect()
    session.iot.describe_account_audit_configuration()
    session.before_request = refuse
    for call in (session.iot.describe_account_audit_configuration, session.identity):
        with pytest.raises(EnoughError):
            call()
    assert server.operations() == ["DescribeAccountAuditConfiguration"]


def test_given_settings_replace_only_what_they_name(server):
    target = Target("t", region="eu-west-1", endpoint_url=server.endpoint)
    with connect_session(target, config=Config(read_timeout=7)) as session:
        assert (session.iot.meta.config.read_timeout, session.iot.meta.config.connect_timeout) == (7, 10)


def test_a_role_is_assumed_once_with_its_external_id(connect, server):
    session = connect(role_arn="arn:aws:iam::111122223333:role/Reader", external_id="shared-word")
    session.identity()
    session.identity()
    asked = [asked for operation, asked in server.calls if operation == "AssumeRole"]
    assert [(a["RoleArn"], a["ExternalId"], a["RoleSessionName"]) for a in asked] == [
        ("arn:aws:iam::111122223333:role/Reader", "shared-word", "ddreport")
    ]


def test_credentials_of_a_role_are_renewed_before_they_run_out(connect, server, monkeypatch):
    now = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
    monkeypatch.setattr("botocore.credentials._local_now", lambda: now)
    monkeypatch.setattr(DeferredRefreshableCredentials.__init__, "__defaults__", (lambda: now,))
    server.data.role_expiry = "2026-03-02T10:00:00Z"
    session = connect(role_arn="arn:aws:iam::111122223333:role/R")
    session.identity()
    now = datetime(2026, 3, 2, 9, 55, tzinfo=UTC)
    server.data.role_expiry = "2026-03-02T11:00:00Z"
    session.identity()
    session.identity()
    assert server.operations().count("AssumeRole") == 2


def test_credentials_of_a_role_that_come_out_of_date_point_to_the_clock(connect, server):
    server.data.role_expiry = "2001-01-01T00:00:00Z"
    session = connect(role_arn="arn:aws:iam::111122223333:role/R")
    with pytest.raises(CredentialsError, match="had run out when they came"):
        session.identity()


def test_a_refused_role_names_the_trust_policy(connect, server):
    server.fail("AssumeRole", "AccessDenied", status=403)
    session = connect(role_arn="arn:aws:iam::111122223333:role/R", external_id="shared-word")
    with pytest.raises(AwsCallError, match="trust policy") as refusal:
        session.identity()
    assert refusal.value.operation == "sts:AssumeRole"
    assert "shared-word" not in str(refusal.value)


def test_iot_calls_use_the_assumed_role(connect, server):
    session = connect(role_arn="arn:aws:iam::111122223333:role/R")
    session.iot.describe_account_audit_configuration()
    assert server.operations() == ["AssumeRole", "DescribeAccountAuditConfiguration"]


def test_a_loopback_endpoint_needs_no_credentials(connect, canned):
    assert connect().identity().account == canned.ACCOUNT


@pytest.fixture
def asked_machine(monkeypatch):
    """How often the role of an EC2 instance was looked for."""
    asked = []
    fetcher = "botocore.utils.InstanceMetadataFetcher.retrieve_iam_role_credentials"
    monkeypatch.setattr(fetcher, lambda self: asked.append(self) or {})
    return asked


def test_a_loopback_endpoint_does_not_wait_for_the_role_of_the_machine(connect, asked_machine):
    connect()
    assert not asked_machine


def test_any_other_endpoint_may_use_the_role_of_the_machine(asked_machine):
    with pytest.raises(CredentialsError):
        connect_session(Target("prod", region="eu-west-1"))
    assert asked_machine


@pytest.mark.parametrize("endpoint_url", [None, "https://iot.example.com"])
def test_without_credentials_any_other_endpoint_is_refused_before_a_call(endpoint_url):
    with pytest.raises(CredentialsError, match="no AWS credentials were found for target 'prod'") as refusal:
        connect_session(Target("prod", region="eu-west-1", endpoint_url=endpoint_url))
    assert "aws sso login" in refusal.value.hint


def test_an_unknown_profile_is_named_with_the_known_ones(aws_files):
    aws_files.config.write_text("[profile audit-reader]\nregion = eu-west-1\n")
    with pytest.raises(CredentialsError, match=r"'audit-raeder' does not exist; known: audit-reader\. Did"):
        connect_session(Target("t", profile="audit-raeder"))


def test_an_unknown_profile_of_the_environment_is_named(monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "gone")
    with pytest.raises(CredentialsError, match="'gone' does not exist; the AWS configuration has none"):
        connect_session(Target("t", region="eu-west-1"))


def test_incomplete_credentials_are_named_without_showing_them(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    with pytest.raises(CredentialsError, match="AWS_SECRET_ACCESS_KEY is missing") as refusal:
        connect_session(Target("t", region="eu-west-1"))
    assert "AKIAEXAMPLE" not in str(refusal.value)


def test_an_unreadable_configuration_file_is_named(aws_files):
    aws_files.config.write_text("[profile broken\nregion=")
    with pytest.raises(CredentialsError, match=str(aws_files.config)):
        connect_session(Target("t", region="eu-west-1"))


def test_a_missing_sso_sign_in_says_how_to_sign_in(aws_files, connect):
    aws_files.config.write_text(
        "[profile sso]\nsso_session = us\nsso_account_id = 111122223333\nsso_role_name = Reader\n"
        "[sso-session us]\nsso_region = eu-west-1\nsso_start_url = https://example.awsapps.com/start\n"
    )
    with pytest.raises(CredentialsError, match="aws sso login"):
        connect(profile="sso").identity()


def test_a_credential_process_that_fails_keeps_its_output_to_itself(aws_files, connect):
    aws_files.config.write_text("[profile proc]\ncredential_process = sh -c 'echo hush-hush >&2; exit 1'\n")
    with pytest.raises(CredentialsError, match="could not be had") as refusal:
        connect(profile="proc").identity()
    assert "hush-hush" not in str(refusal.value)


def test_no_region_anywhere_is_refused(keys):
    with pytest.raises(TargetError, match="target 'prod' names no Region"):
        connect_session(Target("prod"))


def test_the_region_of_the_profile_counts(aws_files):
    aws_files.config.write_text("[profile audit-reader]\nregion = eu-central-1\n")
    aws_files.credentials.write_text("[audit-reader]\naws_access_key_id = testing\naws_secret_access_key = testing\n")
    with connect_session(Target("t", profile="audit-reader")) as session:
        assert session.region == "eu-central-1"


def test_a_region_without_aws_iot_is_refused_before_a_call_with_close_ones(keys):
    with pytest.raises(
        EndpointError, match="no endpoint in Region 'eu-west-9'; close: eu-west-3, eu-west-2, eu-west-1"
    ):
        connect_session(Target("t", region="eu-west-9"))


@pytest.mark.parametrize("region", ["us-gov-west-1", "cn-north-1"])
def test_regions_of_other_partitions_exist(keys, region):
    with connect_session(Target("t", region=region)) as session:
        assert session.region == region


def test_a_vpc_endpoint_of_aws_iot_does_not_serve_sts(keys):
    endpoint = "https://vpce-0123-abcd.iot.eu-west-1.vpce.amazonaws.com"
    with connect_session(Target("t", region="eu-west-1", endpoint_url=endpoint)) as session:
        assert session.iot.meta.endpoint_url == endpoint
        assert session.sts.meta.endpoint_url == "https://sts.eu-west-1.amazonaws.com"


def test_an_emulator_serves_sts_at_the_same_address(connect, server):
    assert connect().sts.meta.endpoint_url == server.endpoint


def test_connecting_sends_nothing(connect, server):
    connect()
    assert server.calls == []
