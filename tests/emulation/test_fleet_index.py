"""The emulated fleet index over HTTP: things by name, and whether they are connected."""

from __future__ import annotations

from datetime import timedelta

import pytest


@pytest.fixture
def indexed(account):
    """Turn indexing of names and connections on, with two things."""
    account.iot.update_indexing_configuration(
        thingIndexingConfiguration={"thingIndexingMode": "REGISTRY", "thingConnectivityIndexingMode": "STATUS"}
    )
    for name in ("pump:1", "Lamp"):
        account.iot.create_thing(thingName=name)
    return account


def search(account, query, **more):
    return account.iot.search_index(queryString=query, **more)["things"]


def test_nothing_is_found_before_indexing_is_on(account, refused):
    code, status, _ = refused(lambda: account.iot.search_index(queryString="*"))
    assert (code, status) == ("IndexNotReadyException", 400)


def test_things_are_found_by_name_whatever_its_case(indexed):
    assert [t["thingName"] for t in search(indexed, 'thingName:("pump:1" OR "lamp" OR "nothing")')] == [
        "Lamp",
        "pump:1",
    ]
    assert [t["thingName"] for t in search(indexed, "thingName:la*")] == ["Lamp"]
    assert len(search(indexed, "*")) == 2


def test_a_connection_shows_with_its_time_and_how_it_ended(indexed):
    certificate = indexed.certificate()
    now = indexed.now()
    indexed.emulator.connect_device(certificate, "Lamp", now - timedelta(hours=2), now - timedelta(minutes=4))
    indexed.emulator.connect_device(certificate, "pump:1", now - timedelta(minutes=1))
    lamp, pump = (thing["connectivity"] for thing in search(indexed, "*"))
    assert lamp["connected"] is False
    assert lamp["timestamp"] == int((now - timedelta(minutes=4)).timestamp() * 1000)
    assert lamp["disconnectReason"] == "CLIENT_INITIATED_DISCONNECT"
    assert pump["connected"] is True
    assert pump["timestamp"] == int((now - timedelta(minutes=1)).timestamp() * 1000)
    assert [t["thingName"] for t in search(indexed, "connectivity.connected:true")] == ["pump:1"]


def test_a_device_that_never_connected_has_no_time(indexed):
    assert search(indexed, "thingName:Lamp")[0]["connectivity"] == {"connected": False}


def test_without_indexing_of_connections_nothing_is_said_of_them(account):
    account.iot.update_indexing_configuration(thingIndexingConfiguration={"thingIndexingMode": "REGISTRY"})
    account.iot.create_thing(thingName="lamp")
    assert "connectivity" not in search(account, "thingName:lamp")[0]


def test_what_is_not_understood_is_refused_and_so_are_thirteen_terms(indexed, refused):
    for query in ("attributes.site:north", "thingName:a AND thingName:b", 'thingName:("a" AND "b")'):
        assert refused(lambda query=query: search(indexed, query))[0] == "InvalidQueryException"
    names = " OR ".join(f'"t{n}"' for n in range(13))
    assert refused(lambda: search(indexed, f"thingName:({names})"))[2] == "The query has 13 terms; the most is 12."


def test_more_things_than_a_page_come_in_pages(indexed):
    for number in range(5):
        indexed.iot.create_thing(thingName=f"t{number}")
    first = indexed.iot.search_index(queryString="thingName:t*", maxResults=3)
    second = indexed.iot.search_index(queryString="thingName:t*", maxResults=3, nextToken=first["nextToken"])
    assert [t["thingName"] for t in first["things"] + second["things"]] == [f"t{n}" for n in range(5)]
    assert "nextToken" not in second
