import socket

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from urllib3.exceptions import NameResolutionError

from ddreport.aws import fetch_audit, fetch_configuration, fetch_findings
from ddreport.aws.errors import translated
from ddreport.errors import AwsCallError, CredentialsError, EndpointError, InputError


def test_a_refused_call_tells_operation_region_code_and_permission(client, server):
    server.fail("ListAuditFindings", "AccessDeniedException", status=403, message="User: x is not authorized")
    with pytest.raises(AwsCallError) as refusal:
        fetch_findings(client, "a1")
    error = refusal.value
    assert (error.operation, error.region, error.code) == (
        "iot:ListAuditFindings",
        "eu-west-1",
        "AccessDeniedException",
    )
    assert "User: x is not authorized" in error.message
    assert error.hint == "the caller needs the permission iot:ListAuditFindings."


@pytest.mark.parametrize("code", ["ExpiredTokenException", "ExpiredToken"])
def test_expired_credentials_say_sign_in_again(client, server, code):
    server.fail("ListAuditFindings", code, status=403)
    with pytest.raises(CredentialsError, match="have expired"):
        fetch_findings(client, "a1")


@pytest.mark.parametrize("code", ["UnrecognizedClientException", "InvalidSignatureException", "SignatureDoesNotMatch"])
def test_credentials_that_aws_rejects_are_told_without_its_text(client, server, code):
    server.fail("ListAuditFindings", code, status=403, message="canonical request x-amz-security-token:FwoGZX")
    with pytest.raises(CredentialsError, match="does not accept these credentials") as refusal:
        fetch_findings(client, "a1")
    assert "FwoGZX" not in str(refusal.value)


def test_expired_credentials_are_noticed_by_the_first_question(connect, server):
    server.fail("GetCallerIdentity", "ExpiredToken", status=403)
    with pytest.raises(CredentialsError, match="sts:GetCallerIdentity in eu-west-1: ExpiredToken"):
        connect().identity()


def test_throttling_is_retried(connect, server, slept):
    server.fail("DescribeAccountAuditConfiguration", "ThrottlingException", times=2)
    fetch_configuration(connect(attempts=3).iot)
    assert len(server.calls) == 3
    assert len(slept) == 2


def test_throttling_that_outlasts_the_retries_is_an_error(client, server):
    server.fail("DescribeAccountAuditConfiguration", "ThrottlingException")
    with pytest.raises(AwsCallError, match="request rate is used up"):
        fetch_configuration(client)


def test_a_fault_of_the_service_is_retried(client, server):
    server.fail("DescribeAccountAuditConfiguration", "InternalFailureException", status=500, times=1)
    assert fetch_configuration(client) == {"auditCheckConfigurations": {}}


def test_a_fault_of_the_service_that_stays_is_an_error(client, server):
    server.fail("DescribeAccountAuditConfiguration", "InternalFailureException", status=500)
    with pytest.raises(AwsCallError, match="fault is on AWS's side"):
        fetch_configuration(client)


def test_a_page_of_html_instead_of_a_fault_is_an_error(client, server):
    server.answer("DescribeAccountAuditConfiguration", b"<html><body>Bad gateway</body></html>", status=502)
    with pytest.raises(AwsCallError, match="502"):
        fetch_configuration(client)


def test_a_dropped_connection_is_retried(client, server):
    server.drop("DescribeAccountAuditConfiguration", times=1)
    assert fetch_configuration(client) == {"auditCheckConfigurations": {}}


def test_connections_that_keep_dropping_are_an_endpoint_error(client, server):
    server.drop("DescribeAccountAuditConfiguration")
    with pytest.raises(EndpointError, match=r"the connection to 127\.0\.0\.1:\d+ broke off"):
        fetch_configuration(client)


def test_an_answer_that_does_not_come_is_an_endpoint_error(connect, server):
    server.delay("DescribeAccountAuditConfiguration", 30)
    session = connect(attempts=1, read_timeout=0.2)
    with pytest.raises(EndpointError, match="does not answer in time"):
        fetch_configuration(session.iot)


def test_nobody_listening_is_an_endpoint_error(connect):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        session = connect(attempts=1, endpoint_url=f"http://127.0.0.1:{port}")
        with pytest.raises(EndpointError, match=f"cannot connect to 127.0.0.1:{port}"):
            fetch_configuration(session.iot)


def test_an_unknown_host_points_to_the_region():
    url = "https://iot.eu-west-1.example.com"
    unknown = NameResolutionError("iot.eu-west-1.example.com", None, socket.gaierror("not known"))
    with (
        pytest.raises(EndpointError, match=r"there is no host iot\.eu-west-1\.example\.com") as refusal,
        translated(service="iot", region="eu-west-1", endpoint=url),
    ):
        raise EndpointConnectionError(endpoint_url=url, error=unknown)
    assert "eu-west-1" in refusal.value.hint


def test_an_argument_that_boto3_refuses_is_an_input_error(client):
    with pytest.raises(InputError, match="taskId"):
        fetch_findings(client, "")


def test_what_aws_says_is_shown_on_one_line_and_cut(client, server):
    server.fail("ListAuditFindings", "InvalidRequestException", message="line one\r\nline two " + "x" * 5000)
    with pytest.raises(AwsCallError) as refusal:
        fetch_findings(client, "a1")
    assert "line one line two xxx" in refusal.value.message
    assert len(refusal.value.message) < 600


def test_an_audit_that_is_gone_says_how_long_aws_keeps_them(client, here):
    with pytest.raises(AwsCallError, match="90 days") as refusal:
        fetch_audit(client, "unknown", **here)
    assert refusal.value.code == "ResourceNotFoundException"


def test_errors_keep_what_boto3_raised(client, server):
    server.fail("ListAuditFindings", "AccessDeniedException", status=403)
    with pytest.raises(AwsCallError) as refusal:
        fetch_findings(client, "a1")
    assert isinstance(refusal.value.__cause__, ClientError)
