"""The one place where what boto3 raises becomes an error of `ddreport`, with the next step for a person.

AWS's own text is shown only where it cannot hold anything confidential: what it says about a wrong signature
repeats the signed request, session token included, so errors about credentials are told in our words alone.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ddreport.errors import AwsCallError, AwsError, CredentialsError, DDReportError, EndpointError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from botocore.client import BaseClient
    from botocore.exceptions import BotoCoreError, ClientError

_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"})
_NOT_ACCEPTED = frozenset(
    {
        "AuthFailure",
        "IncompleteSignature",
        "IncompleteSignatureException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "InvalidToken",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
DENIED_CODES = frozenset(
    {"AccessDenied", "AccessDeniedException", "ForbiddenException", "UnauthorizedException", "UnauthorizedOperation"}
)
THROTTLED_CODES = frozenset({"ThrottlingException", "Throttling", "TooManyRequestsException", "RequestLimitExceeded"})
_STS_OPERATIONS = frozenset({"AssumeRole", "AssumeRoleWithWebIdentity", "GetCallerIdentity"})
_LONGEST_TEXT = 400


@contextmanager
def aws_errors(client: BaseClient) -> Iterator[None]:
    """Turn what boto3 raises for calls of `client` into errors of `ddreport`.

    Raises
    ------
    CredentialsError
        None, incomplete, expired or refused credentials.
    EndpointError
        The endpoint could not be reached, or did not answer like AWS.
    AwsCallError
        AWS refused or failed the call; `operation`, `region` and `code` say which and why.
    InputError
        boto3 itself refused an argument (an empty id, a wrong type).
    """
    meta = client.meta
    with translated(service=meta.service_model.service_name, region=meta.region_name, endpoint=meta.endpoint_url):
        yield


@contextmanager
def translated(*, service: str, region: str, endpoint: str) -> Iterator[None]:
    """Do what `aws_errors` does where there is no client yet; the arguments are for the texts."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as exc:
        raise _of_call(exc, service=service, region=region) from exc
    except BotoCoreError as exc:
        raise _of_boto(exc, region=region, endpoint=endpoint) from exc
    except RuntimeError as exc:
        # botocore has no class of its own for temporary credentials that come out of date.
        if "still expired" not in str(exc):
            raise
        raise CredentialsError(
            "new temporary credentials had run out when they came.",
            hint="check this machine's clock; it may be ahead of AWS's.",
        ) from exc


def _of_call(exc: ClientError, *, service: str, region: str) -> AwsError:
    error = exc.response.get("Error", {})
    code = str(error.get("Code") or "Unknown")
    # An assumed role is renewed inside of any other call, so the operation tells the service, not the client.
    operation = f"{'sts' if exc.operation_name in _STS_OPERATIONS else service}:{exc.operation_name}"
    where = f"{operation} in {region}: {code}"
    if code in _EXPIRED:
        return CredentialsError(
            f"{where}: the credentials have expired.",
            hint="sign in again (with IAM Identity Center: `aws sso login`), then run the same command again.",
        )
    if code in _NOT_ACCEPTED:
        return CredentialsError(
            f"{where}: AWS does not accept these credentials here.",
            hint="check the profile's keys and this machine's clock; a Region that must be opted in to has to be "
            "enabled for the account first.",
        )
    said = _shown(error.get("Message"))
    return AwsCallError(f"{where}.{said}", operation=operation, region=region, code=code, hint=_hint(operation, code))


def _hint(operation: str, code: str) -> str:
    if operation == "sts:AssumeRole":
        return "the role's trust policy must name this caller, and external_id must be the one that it asks for."
    if code in DENIED_CODES:
        return f"the caller needs the permission {operation}."
    if code in THROTTLED_CODES:
        return "AWS's request rate is used up, by other programs of the account too; run the same command again later."
    if code == "ResourceNotFoundException":
        return "it may have been deleted, or be older than the 90 days that AWS keeps."
    if code.startswith(("Internal", "ServiceUnavailable")) or code.isdigit():
        return "the fault is on AWS's side and outlasted the retries; run the same command again later."
    return "nothing was kept of this call; the archive is as it was."


def _shown(message: object) -> str:
    said = _on_one_line(str(message or "")).rstrip(".")
    return f" AWS says: {said}." if said else ""


def _on_one_line(said: str) -> str:
    said = " ".join(said.split())
    return said if len(said) <= _LONGEST_TEXT else f"{said[:_LONGEST_TEXT]}…"


# Errors that no answer of AWS stands behind: name in botocore.exceptions, ours, what happened, next step. The first
# that fits counts, so subclasses stand before their bases. Their own texts are used where nothing of them can be
# confidential; credential processes, for one, may print anything.
_SIGN_IN = "sign in with `aws sso login`, then run the same command again."
_EXPLAINED: tuple[tuple[str, type[DDReportError], str, str], ...] = (
    (
        "NoCredentialsError",
        CredentialsError,
        "no AWS credentials were found.",
        "choose a profile with --profile, or sign in with `aws configure` or `aws sso login`; the demo needs none.",
    ),
    (
        "PartialCredentialsError",
        CredentialsError,
        "the AWS credentials are incomplete: {cred_var} is missing ({provider}).",
        "complete them, or remove them so that others are found.",
    ),
    (
        "ProfileNotFound",
        CredentialsError,
        "the AWS profile {profile!r} does not exist.",
        "`aws configure list-profiles` shows the profiles.",
    ),
    ("ConfigParseError", CredentialsError, "the AWS configuration file {path} cannot be read.", "correct the file."),
    ("SSOError", CredentialsError, "the sign-in with IAM Identity Center is missing or has expired.", _SIGN_IN),
    (
        "TokenRetrievalError",
        CredentialsError,
        "the sign-in with IAM Identity Center is missing or has expired.",
        _SIGN_IN,
    ),
    (
        "LoginError",
        CredentialsError,
        "the sign-in with AWS is missing or has expired.",
        "sign in with `aws login`, then run the same command again.",
    ),
    (
        "CredentialRetrievalError",
        CredentialsError,
        "the credentials could not be had ({provider}).",
        "run the program or service that gives them by hand and see what it says.",
    ),
    (
        "RefreshWithMFAUnsupportedError",
        CredentialsError,
        "a role of the profile asks for an MFA code, which nobody can be asked for again during a run.",
        "get temporary credentials with the code first, and use those.",
    ),
    (
        "InvalidConfigError",
        CredentialsError,
        "the AWS profile cannot be used as it is configured.",
        "see `aws configure list` and correct it.",
    ),
    (
        "MetadataRetrievalError",
        CredentialsError,
        "the credentials of this machine's role could not be had.",
        "check that the machine or container has a role.",
    ),
    ("ParamValidationError", InputError, "AWS's rules refuse an argument: {report}", "correct the argument."),
    ("NoRegionError", EndpointError, "no Region is set.", "give --region, or set one in the profile."),
    (
        "SSLError",
        EndpointError,
        "the certificate of {host} is not trusted.",
        "behind a proxy that inspects traffic, AWS_CA_BUNDLE must point to its certificate.",
    ),
    ("ProxyConnectionError", EndpointError, "the proxy on the way to {host} cannot be reached.", "check HTTPS_PROXY."),
    ("ConnectTimeoutError", EndpointError, "{host} does not answer in time.", "check the network, then try again."),
    ("ReadTimeoutError", EndpointError, "{host} does not answer in time.", "check the network, then try again."),
    (
        "ConnectionError",
        EndpointError,
        "cannot connect to {host}.",
        "check that it is running, and that the address and the network are right.",
    ),
    ("HTTPClientError", EndpointError, "the connection to {host} broke off.", "run the same command again."),
)


def _of_boto(exc: BotoCoreError, *, region: str, endpoint: str) -> DDReportError:
    from botocore import exceptions as boto

    facts = _Facts(exc.kwargs, host=urlsplit(endpoint).netloc.rpartition("@")[2] or endpoint)
    if isinstance(exc, boto.EndpointConnectionError) and _is_unknown_host(exc):
        message = "there is no host {host}.".format_map(facts)
        return EndpointError(message, hint=f"check the Region ({region}) and the network.")
    for name, kind, message, hint in _EXPLAINED:
        if isinstance(exc, getattr(boto, name)):
            return kind(_on_one_line(message.format_map(facts)), hint=hint)
    return AwsError(f"boto3 stopped with {type(exc).__name__}: {_on_one_line(str(exc))}")


class _Facts(dict[str, object]):
    def __missing__(self, key: str) -> str:
        return f"({key} unknown)"


def _is_unknown_host(exc: BotoCoreError) -> bool:
    from urllib3.exceptions import NameResolutionError

    return isinstance(exc.kwargs.get("error"), NameResolutionError)
