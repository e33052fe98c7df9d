"""The emulator behind HTTP on loopback: one `endpoint_url` for every AWS SDK and tool."""

from __future__ import annotations

import errno
import ipaddress
import json
import logging
import re
import socket
import threading
from email.utils import format_datetime
from html import escape
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.iam.models import get_account_id_from, iam_backends
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import BaseWSGIServer, make_server

from ddreport.emulation import control
from ddreport.emulation.faults import DroppedConnectionError
from ddreport.errors import EmulatorError
from ddreport.terms import EMULATOR_HEADER
from ddreport.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

    from ddreport.emulation.emulator import Emulator

logger = logging.getLogger(__name__)

_ACCOUNT = re.compile(r"[0-9]{12}")
_ACCESS_KEY = re.compile(r"Credential=([^/]+)/")
_LISTEN_QUEUE = 128


class EmulatorServer:
    """Serves an emulator in a thread; a context manager.

    Parameters
    ----------
    emulator
        What is served.
    host, port
        Where to listen; port 0 takes a free one. Only loopback addresses keep the emulator to this machine: whoever
        reaches it can do everything, as it accepts any credentials.
    """

    def __init__(self, emulator: Emulator, host: str = "127.0.0.1", port: int = 0) -> None:
        self.emulator = emulator
        self.host = host
        self._wanted_port = port
        self._application = _Application(emulator)
        self._server: BaseWSGIServer | None = None
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """The port in use; `EmulatorError` while the server is stopped."""
        if self._server is None:
            raise EmulatorError("the emulator's server is not running.", hint="call start() first.")
        return self._server.port

    @property
    def endpoint(self) -> str:
        """The address, such as `http://127.0.0.1:5000`; `EmulatorError` while the server is stopped."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    def start(self) -> EmulatorServer:
        """Start to serve; a second time does nothing.

        Raises
        ------
        EmulatorError
            The port is in use, or the address is not one of this machine.
        """
        if self._server is None:
            if not _is_loopback(self.host):
                logger.warning(
                    "the emulator listens on %s, which other machines may reach: whoever does can do everything in it",
                    self.host,
                )
            with self._listen() as listening:
                # The server works on a copy of the socket; ours is closed here.
                self._server = make_server(
                    self.host,
                    self._wanted_port,
                    self._application,
                    threaded=True,
                    request_handler=_Handler,
                    fd=listening.fileno(),
                )
            self._thread = threading.Thread(
                target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, name="ddreport-emulator", daemon=True
            )
            self._thread.start()
        return self

    def stop(self) -> None:
        """Stop to serve; a second time does nothing."""
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()
            self._server = self._thread = None

    def __enter__(self) -> EmulatorServer:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _listen(self) -> socket.socket:
        # Bound here, because werkzeug ends the whole process when the port is taken.
        listening = socket.socket(socket.AF_INET6 if ":" in self.host else socket.AF_INET)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind((self.host, self._wanted_port))
            listening.listen(_LISTEN_QUEUE)
        except (OSError, OverflowError) as exc:
            listening.close()
            raise _cannot_listen(self.host, self._wanted_port, exc) from exc
        return listening


def _cannot_listen(host: str, port: int, exc: Exception) -> EmulatorError:
    if isinstance(exc, OSError) and exc.errno == errno.EADDRINUSE:
        return EmulatorError(
            f"port {port} on {host} is in use by another program.",
            hint="choose another port, or port 0 for any free one.",
        )
    if isinstance(exc, OSError) and exc.errno == errno.EACCES:
        return EmulatorError(f"port {port} may not be used by this user.", hint="choose a port from 1024 on.")
    return EmulatorError(f"cannot listen on {host}, port {port}: {exc}.", hint="use 127.0.0.1 and port 0.")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class _Handler(MotoRequestHandler):
    """Logs instead of printing, and shows the emulated time: the standard library writes `Date` by itself."""

    def date_time_string(self, timestamp: float | None = None) -> str:
        if timestamp is None and isinstance(self.server, BaseWSGIServer) and isinstance(self.server.app, _Application):
            return format_datetime(self.server.app.emulator.now(), usegmt=True)
        return super().date_time_string(timestamp)

    def connection_dropped(self, error: BaseException, environ: dict[str, Any] | None = None) -> None:
        del error, environ
        # Nobody is to wait for an answer, or for another request, on a connection that was dropped on purpose.
        self.close_connection = True

    def version_string(self) -> str:
        return f"ddreport-emulator/{__version__}"

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 (werkzeug's name)
        logger.debug("%s: %s", type, message % args if args else message)


class _Application:
    """The WSGI application: time goes on before each request, errors have AWS's shape, every answer says what it is."""

    def __init__(self, emulator: Emulator) -> None:
        self.emulator = emulator
        self._moto = DomainDispatcherApplication(create_backend_app)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            kept = [(name, value) for name, value in headers if name.lower() != "date"]
            return start_response(status, [*kept, (EMULATOR_HEADER, __version__)], exc_info)

        try:
            if environ.get("PATH_INFO", "").startswith(control.PREFIX):
                return _json(start, *control.answer(self.emulator, environ))
            if not _ACCOUNT.fullmatch(environ.get("HTTP_X_MOTO_ACCOUNT_ID", self.emulator.account)):
                # Any other text would become an account of moto's.
                refusal = {"message": "The security token included in the request is invalid."}
                return _json(start, HTTPStatus.FORBIDDEN, refusal, code="UnrecognizedClientException")
            self._choose_account(environ)
            self.emulator.tick()
            return self._moto(environ, start)  # type: ignore[no-any-return]  # untyped in moto
        except DroppedConnectionError:
            raise
        except NotImplementedError as exc:
            # moto's word for an operation that it lacks: no failure, and no secret either.
            logger.warning("%s %s: %s", environ.get("REQUEST_METHOD"), environ.get("PATH_INFO"), exc)
            return _not_implemented(start, str(exc), query=_is_query_protocol(environ))
        except Exception:
            # The outermost edge: whatever went wrong, the client gets AWS's form of it and the log the rest.
            logger.exception("%s %s failed", environ.get("REQUEST_METHOD"), environ.get("PATH_INFO"))
            failure = {"message": "The emulator failed; its log says why."}
            return _json(start, HTTPStatus.INTERNAL_SERVER_ERROR, failure, code="InternalFailureException")
        finally:
            # After the work: a state saved in between must not count as the newest.
            self.emulator.activity += 1

    def _choose_account(self, environ: dict[str, Any]) -> None:
        """Lead credentials that no account gave out to the emulator's own account, where that is not moto's default."""
        if self.emulator.account == DEFAULT_ACCOUNT_ID or "HTTP_X_MOTO_ACCOUNT_ID" in environ:
            return
        found = _ACCESS_KEY.search(environ.get("HTTP_AUTHORIZATION", ""))
        key = found[1] if found else ""
        # moto answers with its default account both for that account's own keys and for keys that it does not know.
        if get_account_id_from(key) == DEFAULT_ACCOUNT_ID and not _gave_out(DEFAULT_ACCOUNT_ID, key):
            environ["HTTP_X_MOTO_ACCOUNT_ID"] = self.emulator.account


def _gave_out(account: str, key: str) -> bool:
    return account in iam_backends and any(key in iam.access_keys for iam in iam_backends[account].values())


def _is_query_protocol(environ: dict[str, Any]) -> bool:
    """Whether the request is in AWS's query protocol (IAM, STS, SNS), which is answered in XML."""
    return str(environ.get("CONTENT_TYPE", "")).startswith("application/x-www-form-urlencoded")


def _not_implemented(start: Callable[..., Any], message: str, *, query: bool) -> list[bytes]:
    if not query:
        return _json(start, HTTPStatus.NOT_IMPLEMENTED, {"message": message}, code="NotImplementedException")
    error = (
        f"<Error><Type>Sender</Type><Code>NotImplementedException</Code><Message>{escape(message)}</Message></Error>"
    )
    body = f"<ErrorResponse>{error}<RequestId>emulated</RequestId></ErrorResponse>".encode()
    status = HTTPStatus.NOT_IMPLEMENTED
    start(f"{status.value} {status.phrase}", [("Content-Type", "text/xml"), ("Content-Length", str(len(body)))])
    return [body]


def _json(start: Callable[..., Any], status: HTTPStatus, members: dict[str, Any], *, code: str = "") -> list[bytes]:
    body = json.dumps(members).encode()
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    if code:
        headers.append(("x-amzn-ErrorType", code))
    start(f"{status.value} {status.phrase}", headers)
    return [body]
