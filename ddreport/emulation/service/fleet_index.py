"""The fleet index: things by name and by whether they are connected, as the emulator was told of connections.

AWS's index knows a connection by its client id, which must be the name of the thing. Its query language is far larger
than what is understood here; anything else is refused, not guessed at.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ddreport.emulation.service.component import Component, Params, Reply, operation, present
from ddreport.emulation.service_errors import IndexNotReadyError, InvalidQueryError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from moto.iot.models import FakeThing

MOST_TERMS = 12
"""Terms in one query."""

_MOST_RESULTS = 100
_TERM = r'"[A-Za-z0-9:_-]+"|[A-Za-z0-9_-]+\*?'
_NAMES = re.compile(rf"thingName:(?:(?P<one>{_TERM})|\((?P<many>(?:{_TERM})(?: OR (?:{_TERM}))*)\))")
_CONNECTED = re.compile(r"connectivity\.connected:(true|false)")


class FleetIndex(Component):
    """Searches of the things of one account and Region."""

    @operation("SearchIndex")
    def search(self, params: Params) -> Reply:
        """Search the index AWS_Things."""
        mode = self._mode("thingIndexingMode")
        if mode == "OFF" or params.get("indexName", "AWS_Things") != "AWS_Things":
            raise IndexNotReadyError("The index is not ready: thing indexing is off, or it is not AWS_Things.")
        wanted = _matcher(params["queryString"])
        with_connectivity = self._mode("thingConnectivityIndexingMode") == "STATUS"
        found = [
            document
            for thing in self.backend.iot.things.values()
            if wanted(document := self._document(thing, with_connectivity=with_connectivity))
        ]
        found.sort(key=lambda document: str(document["thingName"]))
        start = int(params["nextToken"]) if str(params.get("nextToken", "")).isdigit() else 0
        end = start + min(_MOST_RESULTS, params.get("maxResults", _MOST_RESULTS))
        return present(things=found[start:end], nextToken=str(end) if end < len(found) else None)

    def _mode(self, name: str) -> str:
        configuration: Any = self.backend.iot.get_indexing_configuration()["thingIndexingConfiguration"]
        return str(configuration.get(name) or "OFF")

    def _document(self, thing: FakeThing, *, with_connectivity: bool) -> dict[str, Any]:
        return present(
            thingName=thing.thing_name,
            thingId=thing.thing_id,
            thingTypeName=thing.thing_type.thing_type_name if thing.thing_type else None,
            attributes=dict(thing.attributes),
            connectivity=self._connectivity(thing.thing_name) if with_connectivity else None,
        )

    def _connectivity(self, thing_name: str) -> dict[str, Any]:
        now = self.now()
        begun = [c for c in dict(self.backend.connections.by_client()).get(thing_name, ()) if c.connected <= now]
        if not begun:
            return {"connected": False}
        last = max(begun, key=lambda c: c.connected)
        ended = last.disconnected if last.disconnected is not None and last.disconnected <= now else None
        moment = ended or last.connected
        reason = None if ended is None else "DUPLICATE_CLIENTID" if last.displaced else "CLIENT_INITIATED_DISCONNECT"
        return present(
            connected=ended is None,
            timestamp=int(moment.timestamp() * 1000),
            disconnectReason=reason,
            clientId=thing_name,
        )


def _matcher(query: str) -> Callable[[dict[str, Any]], bool]:
    if query == "*":
        return lambda _: True
    connected = _CONNECTED.fullmatch(query)
    if connected is not None:
        wanted = connected[1] == "true"
        return lambda document: document.get("connectivity", {}).get("connected") is wanted
    names = _NAMES.fullmatch(query)
    if names is None:
        raise InvalidQueryError(
            'The emulator understands *, connectivity.connected:true, thingName:NAME and thingName:("A" OR "B").'
        )
    terms = [names["one"]] if names["one"] else names["many"].split(" OR ")
    if len(terms) > MOST_TERMS:
        raise InvalidQueryError(f"The query has {len(terms)} terms; the most is {MOST_TERMS}.")
    return lambda document: _any_matches(terms, str(document["thingName"]))


def _any_matches(terms: Iterable[str], name: str) -> bool:
    """Tell whether a name fits one of the terms; the index does not mind case."""
    name = name.casefold()
    for term in terms:
        plain = term.strip('"').casefold()
        if name.startswith(plain[:-1]) if plain.endswith("*") else name == plain:
            return True
    return False
