"""Clients that nobody here wrote, and what they work on: the AWS CLI, the AWS SDK for JavaScript, an emulator for each.

Without Node.js and npm the tests in JavaScript are skipped, unless `DDREPORT_REQUIRE_NODE=1` says that there must be
one. The SDK is installed once per content of `package.json`, into a folder that git ignores.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.request
import warnings
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import certifi
import pytest
from botocore.config import Config
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.utils import CryptographyDeprecationWarning

from ddreport.emulation import Emulator, EmulatorServer, ManualClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HERE = Path(__file__).parent
CACHE = HERE.parents[1] / ".cache" / "foreign-js"
START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@dataclass(frozen=True)
class AwsCli:
    """The AWS CLI as a process per call, pointed at an emulator that is a process too."""

    endpoint: str
    account: str
    region: str

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        program = [sys.executable, "-m", "awscli", "--endpoint-url", self.endpoint, "--region", self.region]
        return subprocess.run(
            [*program, "--output", "json", *command], capture_output=True, text=True, check=False, timeout=60
        )

    def __call__(self, *command: str) -> Any:
        """Run `aws …`, which must succeed, and return its answer, None where there is none."""
        done = self.run(*command)
        assert done.returncode == 0, f"aws {' '.join(command)}: {done.stderr}"
        return json.loads(done.stdout) if done.stdout.strip() else None

    def refused(self, *command: str) -> str:
        """Run `aws …`, which the service must refuse, and return the code of its error."""
        done = self.run(*command)
        assert done.returncode in (254, 255), done
        return done.stderr.partition("(")[2].partition(")")[0]

    def let_pass(self, **span: float) -> None:
        """Move the emulated time on, instead of waiting for an audit to end."""
        seconds = json.dumps({"seconds": timedelta(**span).total_seconds()}).encode()
        request = urllib.request.Request(
            f"{self.endpoint}/_ddreport/advance", seconds, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert answer.status == 200


@pytest.fixture(scope="module")
def aws() -> Iterator[AwsCli]:
    """The AWS CLI on `ddreport emulator --fleet none`: an account that was never configured."""
    command = [sys.executable, "-m", "ddreport", "emulator", "--fleet", "none", "--port", "0"]
    command += ["--as-of", START.isoformat()]
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, text=True)
        try:
            assert process.stdout
            line = process.stdout.readline()
            said.seek(0)
            assert line, said.read()
            ready = json.loads(line)
            yield AwsCli(ready["endpoint"], ready["account"], ready["region"])
        finally:
            process.kill()
            process.communicate()


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """The folder with the AWS SDK for JavaScript, installed now where it is missing."""
    absent = [program for program in ("node", "npm") if shutil.which(program) is None]
    if absent:
        if os.environ.get("DDREPORT_REQUIRE_NODE") == "1":
            pytest.fail(f"DDREPORT_REQUIRE_NODE=1, but there is no {' and no '.join(absent)} on the PATH")
        pytest.skip(f"there is no {' and no '.join(absent)} on the PATH")
    wanted = (HERE / "package.json").read_bytes()
    home = CACHE / hashlib.sha256(wanted).hexdigest()[:16]
    if not home.is_dir():
        CACHE.mkdir(parents=True, exist_ok=True)
        # Installed beside and then moved, so that a stopped run leaves nothing that looks whole.
        with tempfile.TemporaryDirectory(dir=CACHE) as beside:
            folder = Path(beside) / "sdk"
            folder.mkdir()
            (folder / "package.json").write_bytes(wanted)
            install = ["npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts"]
            done = subprocess.run(install, cwd=folder, capture_output=True, text=True, check=False, timeout=240)
            assert done.returncode == 0, f"npm could not install the SDK: {done.stdout}{done.stderr}"
            try:
                folder.rename(home)
            except OSError:
                assert home.is_dir()  # another run was faster
    return home / "node_modules"


@pytest.fixture(scope="module")
def emulated() -> Iterator[tuple[Emulator, EmulatorServer]]:
    """An emulator of this process behind HTTP, its clock in our hands."""
    with Emulator(ManualClock(START), seed=3) as emulator, EmulatorServer(emulator) as server:
        yield emulator, server


@pytest.fixture(scope="module")
def iot(emulated: tuple[Emulator, EmulatorServer]) -> Iterator[Any]:
    """boto3 on the same emulator: what a foreign client is compared with."""
    client = boto3.client(
        "iot",
        endpoint_url=emulated[1].endpoint,
        region_name=emulated[0].region,
        config=Config(retries={"max_attempts": 1, "mode": "standard"}),
    )
    yield client
    client.close()


@pytest.fixture(scope="module")
def run_node(node_modules: Path, emulated: tuple[Emulator, EmulatorServer]) -> Callable[[str], Any]:
    """Run one of the scripts of this folder on the emulator and return the JSON that it prints."""

    def run(script: str) -> Any:
        env = os.environ | {"NODE_PATH": str(node_modules), "EMULATOR": emulated[1].endpoint}
        done = subprocess.run(
            ["node", str(HERE / script)], env=env, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


@dataclass(frozen=True)
class PublicCertificate:
    """A certificate of the public bundle, with what `cryptography` says of it."""

    pem: str
    certificate: x509.Certificate

    @property
    def certificate_id(self) -> str:
        """The id that AWS IoT gives it."""
        return self.certificate.fingerprint(hashes.SHA256()).hex()


@pytest.fixture(scope="session")
def public_certificates() -> list[PublicCertificate]:
    """The root certificates that browsers trust, of the package `certifi`."""
    with warnings.catch_warnings():
        # Some of these roots have serial number 0; the library warns that it will refuse that one day.
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        found = x509.load_pem_x509_certificates(Path(certifi.where()).read_bytes())
    assert len(found) > 100
    return [PublicCertificate(c.public_bytes(serialization.Encoding.PEM).decode(), c) for c in found]
