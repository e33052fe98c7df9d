"""Puts the emulator into moto, and takes it out again.

Four places of moto are changed, none of its files:

- the URL tables of `iot`, `iam`, `sns` and `cognito-identity` lead to our response classes, which add what the
  audit needs and leave the rest to moto;
- new IoT, IAM, Cognito, SNS and CloudWatch backends are made from our subclasses (true certificate dates, AWS's managed
  policies of the audit, roles of identity pools, subscriptions that people confirm, metrics found in whatever order
  their dimensions are named, alarms on audits);
- moto's `utcnow` asks the emulator's clock, so that every creation date is of the emulated world. STS keeps the real
  time: the expiry of temporary credentials is compared with the client's real clock;
- moto's random numbers are seeded, so that its ids repeat as well.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import moto.cognitoidentity.urls as moto_cognito_urls
import moto.core.utils as moto_utils
import moto.iam.urls as moto_iam_urls
import moto.iot.models as moto_iot
import moto.iot.urls as moto_iot_urls
import moto.sns.urls as moto_sns_urls
import moto.sts.models as moto_sts
from moto.cloudwatch.models import CloudWatchBackend, cloudwatch_backends
from moto.cognitoidentity.models import CognitoIdentityBackend, cognitoidentity_backends
from moto.cognitoidentity.responses import CognitoIdentityResponse
from moto.core.base_backend import AccountSpecificBackend, BackendDict
from moto.iam.models import IAMBackend, iam_backends
from moto.iam.responses import IamResponse
from moto.iot.models import IoTBackend, iot_backends
from moto.iot.responses import IoTResponse
from moto.moto_api._internal import mock_random
from moto.sns.models import SNSBackend, sns_backends
from moto.sns.responses import SNSResponse

from ddreport.emulation import world as worlds
from ddreport.emulation.audit_backend import audit_backends
from ddreport.emulation.cloudwatch_backend import EmulatedCloudWatchBackend
from ddreport.emulation.cognito_backend import EmulatedCognitoBackend, EmulatedCognitoResponse
from ddreport.emulation.iam_backend import EmulatedIAMBackend
from ddreport.emulation.iot_backend import EmulatedIoTBackend
from ddreport.emulation.response import EmulatedIoTResponse
from ddreport.emulation.service_use import EmulatedIamResponse
from ddreport.emulation.sns_backend import EmulatedSNSBackend, EmulatedSNSResponse

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from ddreport.emulation.world import World

_IOT_PATHS = "{0}/.*$"
_QUERY_PATH = "{0}/$"
_real_utcnow = moto_utils.utcnow
_real_valid_certificates = vars(moto_iot)["iot_use_valid_cert"]


def install(world: World, *, seed: int) -> None:
    """Make `world` the one that moto serves, empty. Installing again, or another one, takes its place."""
    worlds.replace(world)
    _open_motos_session()
    moto_iot_urls.url_paths[_IOT_PATHS] = EmulatedIoTResponse.dispatch
    moto_iam_urls.url_paths[_QUERY_PATH] = EmulatedIamResponse.dispatch
    moto_cognito_urls.url_paths[_QUERY_PATH] = EmulatedCognitoResponse.dispatch
    moto_sns_urls.url_paths[_QUERY_PATH] = EmulatedSNSResponse.dispatch
    iot_backends.backend = EmulatedIoTBackend
    iam_backends.backend = EmulatedIAMBackend
    cognitoidentity_backends.backend = EmulatedCognitoBackend
    sns_backends.backend = EmulatedSNSBackend
    cloudwatch_backends.backend = EmulatedCloudWatchBackend
    vars(moto_iot)["iot_use_valid_cert"] = _certificate_ids_as_aws_makes_them
    _replace_everywhere(_real_utcnow, _emulated_utcnow)
    reset(seed=seed)


def uninstall() -> None:
    """Leave moto as it was, empty; without an installation nothing happens but the emptying."""
    _forget_everything()
    worlds.replace(None)
    moto_iot_urls.url_paths[_IOT_PATHS] = IoTResponse.dispatch
    moto_iam_urls.url_paths[_QUERY_PATH] = IamResponse.dispatch
    moto_cognito_urls.url_paths[_QUERY_PATH] = CognitoIdentityResponse.dispatch
    moto_sns_urls.url_paths[_QUERY_PATH] = SNSResponse.dispatch
    iot_backends.backend = IoTBackend
    iam_backends.backend = IAMBackend
    cognitoidentity_backends.backend = CognitoIdentityBackend
    sns_backends.backend = SNSBackend
    cloudwatch_backends.backend = CloudWatchBackend
    vars(moto_iot)["iot_use_valid_cert"] = _real_valid_certificates
    _replace_everywhere(_emulated_utcnow, _real_utcnow)


def reset(*, seed: int) -> None:
    """Forget everything in all of moto's services and begin its random numbers anew."""
    _forget_everything()
    mock_random.seed(seed)


def _forget_everything() -> None:
    # Ours first: moto makes each backend anew before it drops it, and ours ask for their world then.
    audit_backends.clear()
    iot_backends.clear()
    BackendDict.reset()


def _open_motos_session() -> None:
    """Let moto open the session that it asks for Regions, once, without the user's profile and configuration."""
    own = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    names = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", *own)
    held = {name: os.environ.pop(name) for name in names if name in os.environ}
    os.environ.update(own)
    try:
        AccountSpecificBackend.get_session()
    finally:
        for name in own:
            del os.environ[name]
        os.environ.update(held)


def _emulated_utcnow() -> datetime:
    # moto wants a naive datetime that means UTC.
    return worlds.current().now().replace(tzinfo=None)


def _certificate_ids_as_aws_makes_them() -> bool:
    # moto hashes the text of a certificate unless told otherwise; AWS's id is the hash of its DER bytes.
    return True


def _replace_everywhere(old: Callable[[], datetime], new: Callable[[], datetime]) -> None:
    """Replace a function in every moto module that imported it by name; later imports find the new one."""
    for name, module in list(sys.modules.items()):
        if name.startswith("moto.") and module is not moto_sts:
            names: dict[str, Any] = vars(module)
            if names.get("utcnow") is old:
                names["utcnow"] = new
