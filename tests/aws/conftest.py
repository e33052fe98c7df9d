"""A canned AWS on loopback, a clean AWS configuration, and sessions that do not wait between retries."""

from __future__ import annotations

import functools
import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from botocore.config import Config
from botocore.loaders import Loader

from ddreport.aws import connect_session
from ddreport.targets import Target

REGION = "eu-west-1"


@pytest.fixture(scope="session")
def canned() -> ModuleType:
    """The module of the canned server, with its builders of records."""
    path = Path(__file__).parents[1] / "support_canned_server.py"
    spec = importlib.util.spec_from_file_location("support_canned_server", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def server(canned):
    with canned.CannedServer() as running:
        yield running


@pytest.fixture(autouse=True)
def aws_files(monkeypatch, tmp_path):
    """Keep the machine's own AWS configuration out; returns the two files that count instead."""
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    config, credentials = tmp_path / "config", tmp_path / "credentials"
    config.touch()
    credentials.touch()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(credentials))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return SimpleNamespace(config=config, credentials=credentials)


@pytest.fixture(autouse=True)
def _one_service_model(monkeypatch):
    """Let all sessions share what botocore reads of its service models, a tenth of a second each time."""
    monkeypatch.setattr("botocore.session.create_loader", _shared_loader)


@functools.cache
def _shared_loader(search_path_string=None):
    return Loader()


@pytest.fixture
def slept(monkeypatch):
    """Seconds that boto3 would have waited between attempts."""
    waits: list[float] = []
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=waits.append))
    return waits


@pytest.fixture
def connect(server, slept):
    """Connect to the canned server; standard retries, because adaptive ones slow down for seconds after a refusal."""
    opened = []

    def open_session(*, attempts=2, read_timeout=20, **target):
        retries = {"mode": "standard", "total_max_attempts": attempts}
        config = Config(retries=retries, connect_timeout=2, read_timeout=read_timeout)
        described = {"region": REGION, "endpoint_url": server.endpoint, **target}
        session = connect_session(Target("canned", **described), config=config)
        opened.append(session)
        return session

    yield open_session
    for session in opened:
        session.close()


@pytest.fixture
def client(connect):
    return connect().iot


@pytest.fixture
def here(canned):
    """The place that records are fetched from, as keyword arguments."""
    return {"account": canned.ACCOUNT, "region": REGION, "emulated": False}
