"""Connections to AWS: credentials by the standard chain, a client with our manners, and who we are there.

No call is made before the first question: `connect_session` only finds out what can be found out on this machine.
"""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from ddreport.aws.answers import is_emulator, time_of
from ddreport.aws.errors import aws_errors, translated
from ddreport.aws.rates import RateLimiter, attach_limiter
from ddreport.aws.raw import prepare_capture
from ddreport.errors import CredentialsError, EndpointError, TargetError, did_you_mean
from ddreport.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    import botocore.session
    from botocore.client import BaseClient
    from botocore.config import Config
    from botocore.credentials import Credentials
    from mypy_boto3_iot import IoTClient
    from mypy_boto3_sts import STSClient

    from ddreport.targets import Target

POOL = 40
"""Connections that are kept open: several operations are asked at once, each at a rate of its own."""

# Any text does: an emulator on this machine asks for a signature and checks none.
_TEST_KEY = _TEST_SECRET = "testing"  # noqa: S105 - deliberately no secret


@dataclass(frozen=True)
class Identity:
    """Who asks, where, and when by AWS's clock.

    Attributes
    ----------
    account, region, arn
        12-digit account id, Region, and ARN of the caller.
    emulated
        Whether the emulator answered.
    as_of
        Time of the answer by AWS's clock, UTC; AWS counts retention and windows by it, not by this machine's.
    """

    account: str
    region: str
    arn: str
    emulated: bool
    as_of: datetime


class AwsSession:
    """One target's connections; make it with `connect_session`, and `close` it or use it in a `with` statement.

    Attributes
    ----------
    target, region
        What it connects to.
    limiter
        Holds the requests to AWS IoT to AWS's published rates; sessions of one account and Region may share one.
    before_request
        Called before every request, also before each further attempt; what it raises ends the call.
    """

    def __init__(self, session: botocore.session.Session, target: Target, *, region: str, config: Config) -> None:
        self._session = session
        self._config = config
        self._clients: list[BaseClient] = []
        self.target = target
        self.region = region
        self.limiter = RateLimiter()
        self.before_request: Callable[[], None] = lambda: None

    def __enter__(self) -> AwsSession:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; calls after it open new ones."""
        for client in self._clients:
            client.close()

    @cached_property
    def iot(self) -> IoTClient:
        """The client for AWS IoT, held to AWS's published request rates."""
        client = self._client("iot", self.target.endpoint_url)
        prepare_capture(client)
        attach_limiter(client, lambda: self.limiter)
        return cast("IoTClient", client)

    @cached_property
    def sts(self) -> STSClient:
        """The client for STS."""
        return cast("STSClient", self._client("sts", _other_endpoint(self.target.endpoint_url)))

    @cached_property
    def iam(self) -> BaseClient:
        """The client for IAM, which has one endpoint for all Regions of a partition."""
        return self._client("iam", _other_endpoint(self.target.endpoint_url))

    @cached_property
    def sns(self) -> BaseClient:
        """The client for SNS."""
        return self._client("sns", _other_endpoint(self.target.endpoint_url))

    @cached_property
    def cloudwatch(self) -> BaseClient:
        """The client for CloudWatch, whose alarms stop a mitigation and tell of audits."""
        return self._client("cloudwatch", _other_endpoint(self.target.endpoint_url))

    def _client(self, service: str, endpoint_url: str | None) -> BaseClient:
        with translated(service=service, region=self.region, endpoint=endpoint_url or service):
            client: BaseClient = self._session.create_client(
                service, region_name=self.region, endpoint_url=endpoint_url, config=self._config
            )
        client.meta.events.register_first("before-send", self._before_send, unique_id="ddreport-before-request")
        self._clients.append(client)
        return client

    def _before_send(self, **_: Any) -> None:
        # Must return None: anything else would be taken for the answer.
        self.before_request()

    def identity(self) -> Identity:
        """Ask who we are (`sts:GetCallerIdentity`, which every caller may do).

        Raises
        ------
        CredentialsError, EndpointError, AwsCallError
            See `ddreport.aws.errors.aws_errors`.
        """
        with aws_errors(self.sts):
            answer = self.sts.get_caller_identity()
        headers = answer["ResponseMetadata"]["HTTPHeaders"]
        return Identity(
            account=answer["Account"],
            region=self.region,
            arn=answer["Arn"],
            emulated=is_emulator(headers),
            as_of=time_of(headers),
        )


def connect_session(target: Target, *, config: Config | None = None) -> AwsSession:
    """Prepare the connections to a target; nothing is sent yet.

    Credentials come from the standard AWS chain with the target's profile. Its `role_arn` is assumed with them when
    first needed, and again before it expires. An endpoint on this machine gets throw-away credentials if none are
    found, and the role of an EC2 instance is not looked for there.

    Parameters
    ----------
    target
        Account and Region; what it leaves open follows the AWS configuration.
    config
        botocore settings that replace ours (up to 8 attempts a call, 10 s to connect, 60 s to read).

    Raises
    ------
    CredentialsError
        No or incomplete credentials, or an unknown profile.
    TargetError
        No Region is set anywhere.
    EndpointError
        AWS IoT does not exist in that Region.
    """
    import botocore.session

    if target.is_demo:
        return _demo_session(target)
    session = botocore.session.Session(profile=target.profile)
    local = _is_loopback(target.endpoint_url)
    try:
        with translated(service="iot", region=target.region or "", endpoint=target.endpoint_url or "AWS"):
            region = target.region or session.get_config_variable("region")
            if local:
                session.get_component("credential_provider").remove("iam-role")
            credentials = session.get_credentials()
    except CredentialsError as exc:
        raise _with_profiles(exc, session, target) from exc
    if not region:
        raise TargetError(
            f"target {target.name!r} names no Region, and the AWS configuration has no default one.",
            hint="give --region, or set region in ddreport.toml, in the profile or in AWS_DEFAULT_REGION.",
        )
    if credentials is None and not local:
        raise CredentialsError(
            f"no AWS credentials were found for target {target.name!r}.",
            hint="choose a profile with --profile, or sign in with `aws configure` or `aws sso login`; "
            "the demo needs none.",
        )
    if credentials is None:
        session.set_credentials(_TEST_KEY, _TEST_SECRET)
        credentials = session.get_credentials()
    settings = _default_config().merge(config) if config else _default_config()
    if local:
        settings = settings.merge(_without_proxy())
    if target.role_arn:
        session = _role_session(session, target, credentials, region=region, config=settings)
    found = AwsSession(session, target, region=region, config=settings)
    _check_region(session, found)
    return found


def _demo_session(target: Target) -> AwsSession:
    """Prepare the connections to the built-in account; nobody's profile, credentials or proxy has a part in that."""
    import botocore.session

    nothing = {"profile": None, "config_file": os.devnull, "credentials_file": os.devnull}
    session = botocore.session.Session(
        session_vars={name: (None, None, value, None) for name, value in nothing.items()}
    )
    session.set_credentials(_TEST_KEY, _TEST_SECRET)
    config = _default_config().merge(_without_proxy())
    return AwsSession(session, target, region=target.region or "", config=config)


def _without_proxy() -> Config:
    """Return settings for this machine's own addresses, which no proxy can reach for us."""
    from botocore.config import Config

    return Config(proxies={})


def _default_config() -> Config:
    from botocore.config import Config

    return Config(
        # Not adaptive: that mode has one rate for all operations of a client, which one refusal of one operation cuts
        # to less than what was measured so far (next to nothing in the first half second). `aws.rates` knows better.
        retries={"mode": "standard", "total_max_attempts": 8},
        max_pool_connections=POOL,
        connect_timeout=10,
        read_timeout=60,
        user_agent_extra=f"ddreport/{__version__}",
    )


def _with_profiles(exc: CredentialsError, session: botocore.session.Session, target: Target) -> CredentialsError:
    if type(exc.__cause__).__name__ != "ProfileNotFound":
        return exc
    profiles = sorted(session.available_profiles)
    wanted = target.profile or session.profile or ""
    known = f"known: {', '.join(profiles)}" if profiles else "the AWS configuration has none"
    return CredentialsError(
        f"the AWS profile {wanted!r} does not exist; {known}.{did_you_mean(wanted, profiles)}",
        hint="`aws configure list-profiles` shows the profiles.",
    )


class _RoleCredentials:
    """What botocore asks for credentials: here always those of one assumed role, renewed before they expire."""

    def __init__(self, fetch: Callable[[], dict[str, Any]]) -> None:
        self._fetch = fetch

    def load_credentials(self) -> Credentials:
        from botocore.credentials import DeferredRefreshableCredentials

        return DeferredRefreshableCredentials(refresh_using=self._fetch, method="assume-role")


def _role_session(
    session: botocore.session.Session, target: Target, source: Any, *, region: str, config: Config
) -> botocore.session.Session:
    """Return a session of its own that acts as the target's role; STS is asked with the credentials found first."""
    import botocore.session
    from botocore.credentials import AssumeRoleCredentialFetcher

    def sts_client(service: str, **keys: Any) -> BaseClient:
        endpoint_url = _other_endpoint(target.endpoint_url)
        return session.create_client(service, region_name=region, endpoint_url=endpoint_url, config=config, **keys)

    extra = {"RoleSessionName": "ddreport", **({"ExternalId": target.external_id} if target.external_id else {})}
    fetcher = AssumeRoleCredentialFetcher(sts_client, source, target.role_arn or "", extra_args=extra)
    acting = botocore.session.Session(profile=target.profile)
    acting.register_component("credential_provider", _RoleCredentials(fetcher.fetch_credentials))
    return acting


def _is_loopback(endpoint_url: str | None) -> bool:
    host = urlsplit(endpoint_url or "").hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _other_endpoint(endpoint_url: str | None) -> str | None:
    # An emulator serves all services at one address; an address of AWS, such as a VPC endpoint, serves one.
    host = urlsplit(endpoint_url or "").hostname or ""
    is_aws = host.endswith((".amazonaws.com", ".amazonaws.com.cn", ".api.aws"))
    return None if is_aws else endpoint_url


def _check_region(session: botocore.session.Session, found: AwsSession) -> None:
    """Refuse a Region that AWS IoT does not have, instead of waiting for a host that does not exist."""
    if found.target.endpoint_url is not None:
        return
    regions = [
        region
        for partition in session.get_available_partitions()
        for region in session.get_available_regions("iot", partition_name=partition)
    ]
    host = urlsplit(found.iot.meta.endpoint_url).hostname or ""
    # An endpoint from the AWS configuration (AWS_ENDPOINT_URL) stands for itself.
    if found.region not in regions and f".{found.region}." in host:
        near = _close_regions(found.region, regions)
        raise EndpointError(
            f"AWS IoT has no endpoint in Region {found.region!r}; close: {', '.join(near)}.",
            hint="a Region younger than the installed boto3 needs `pip install --upgrade boto3`.",
        )


def _close_regions(region: str, regions: Sequence[str]) -> list[str]:
    from difflib import get_close_matches

    return get_close_matches(region, regions, n=3, cutoff=0.0)
