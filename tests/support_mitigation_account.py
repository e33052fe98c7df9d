"""An emulated account with something to repair: what the tests of the panel, in the kernel and in a browser, share."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

from ddreport.archive import Archive
from ddreport.progress import NoProgress
from ddreport.targets import make_target
from ddreport.workflows.pull import pull

EXPIRING = "DEVICE_CERTIFICATE_EXPIRING_CHECK"
LOGGING = "LOGGING_DISABLED_CHECK"
POLICY = "IOT_POLICY_OVERLY_PERMISSIVE_CHECK"
DEACTIVATE = "DeactivateDeviceCertificateAction"
ENABLE = "EnableErrorLoggingAction"
HOSTILE_POLICY = "all+things@=,.-_policy"


def furnish(handle: Any, *, certificates: int = 4) -> list[str]:
    """Give an empty account certificates that expire soon, an open policy, no logging, and two actions; audit it."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    emulator, iot = handle.emulator, handle.client("iot")
    emulator.audit_duration = timedelta(seconds=0.2)
    emulator.execution_duration = timedelta(milliseconds=50)
    key, ids = ec.generate_private_key(ec.SECP256R1()), []
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "device")])
    for serial in range(1, certificates + 1):
        built = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(serial)
            .not_valid_before(emulator.now() - timedelta(days=300))
            .not_valid_after(emulator.now() + timedelta(days=3))
            .sign(key, hashes.SHA256())
        )
        made = emulator.iot().register_certificate_without_ca(
            built.public_bytes(serialization.Encoding.PEM).decode(), "ACTIVE"
        )
        iot.create_thing(thingName=f"pump-{serial}")
        iot.attach_thing_principal(thingName=f"pump-{serial}", principal=made.arn)
        ids.append(made.certificate_id)
    everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "iot:*", "Resource": "*"}]}
    iot.create_policy(policyName=HOSTILE_POLICY, policyDocument=json.dumps(everything))
    define(handle, DEACTIVATE, "UpdateDeviceCert", {"updateDeviceCertificateParams": {"action": "DEACTIVATE"}})
    logging_role = emulator.create_service_role("AWSIoTLoggingRole", "AWSIoTLogging")
    logging = {"roleArnForLogging": logging_role, "logLevel": "ERROR"}
    define(handle, ENABLE, "EnableIoTLogging", {"enableIoTLoggingParams": logging})
    handle.audit(EXPIRING, LOGGING, POLICY)
    return ids


def define(handle: Any, name: str, kind: str, params: dict[str, Any]) -> None:
    """Define an action with a role that may do what it takes."""
    role = handle.emulator.create_service_role(f"{name}Role", f"AWSIoTDeviceDefender{kind}MitigationAction")
    handle.client("iot").create_mitigation_action(actionName=name, roleArn=role, actionParams=params)


def configure(handle: Any, home: Path, *, mitigation: str | None = None) -> Path:
    """Write `ddreport.toml` with the target `plant`, pull it into an archive, and return the archive's folder."""
    mode = f'mitigation = "{mitigation}"\n' if mitigation else ""
    text = f'[targets.plant]\nregion = "{handle.region}"\nendpoint_url = "{handle.endpoint}"\n{mode}'
    (home / "ddreport.toml").write_text(text, encoding="utf-8")
    target = make_target("plant", region=handle.region, endpoint_url=handle.endpoint)
    folder = home / "archive"
    pull([target], Archive.open(folder, create=True), progress=NoProgress())
    return folder


def statuses(handle: Any, ids: list[str]) -> list[str]:
    """Return the status of certificates."""
    iot = handle.client("iot")
    return [iot.describe_certificate(certificateId=i)["certificateDescription"]["status"] for i in ids]
