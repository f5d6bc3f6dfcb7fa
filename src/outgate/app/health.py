"""The health address: `/healthz` for a balancer or watchdog, `/metrics` for Prometheus. Loopback by default.

Runs in the supervisor, in a thread, and asks each worker over its control socket when it is asked itself.
"""

import http.client
import json
import threading
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from outgate.app.configuration import ConfigurationError
from outgate.app.measuring import measure_clerk, measure_workers
from outgate.app.metrics import METRICS, MetricKind, split_labels

if TYPE_CHECKING:
    from outgate.app.supervisor import Supervisor

PORTAL_SECONDS: Final = 2.0  # to wait for the portal's answer
PORTAL_PATH: Final = "/alive"
ENGINE_STATES: Final = ("good", "is tried again", "does not answer")  # by the value of outgate_engine_state


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
        pass


class HealthServer:
    """Serves until `stop`."""

    def __init__(self, supervisor: "Supervisor") -> None:
        """Raises: ConfigurationError if the address cannot be had."""
        self._supervisor = supervisor
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Processes(supervisor))
        self._metrics = make_wsgi_app(registry)
        health = supervisor.configuration.health
        try:
            self._server: WSGIServer = make_server(health.address, health.port, self._respond, handler_class=_Quiet)
        except OSError as error:
            raise ConfigurationError(
                f"health: cannot listen on {health.address} port {health.port}: {error.strerror}; choose another port"
            ) from error
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, name="health", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _respond(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        match environ.get("PATH_INFO"):
            case "/metrics":
                return list(self._metrics(environ, start_response))
            case "/healthz":
                return [self._health(start_response)]
            case _:
                start_response("404 Not Found", [("Content-Type", "text/plain")])
                return [b"/healthz and /metrics are here\n"]

    def _health(self, start_response: Any) -> bytes:
        workers = {}
        engines: dict[str, float] = {}
        for number, values in measure_workers(self._supervisor.configuration):
            workers[str(number)] = (
                "does not answer"
                if values is None
                else "spool failed"
                if values.get("outgate_spool_failed")
                else "stopping"
                if values.get("outgate_stopping")
                else "good"
            )
            for name, value in (values or {}).items():
                base, labels = split_labels(name)
                if base == "outgate_engine_state":
                    engines[labels["engine"]] = max(value, engines.get(labels["engine"], 0.0))
        is_good = all(state == "good" for state in workers.values())
        # The portal decides nothing: mail goes on without it. Without an engine it goes on as its customer says.
        state = {"status": "good" if is_good else "bad", "workers": workers, "portal": self._portal()}
        if engines:
            state["engines"] = {name: ENGINE_STATES[int(value)] for name, value in sorted(engines.items())}
        body = json.dumps(state) + "\n"
        start_response(
            "200 OK" if is_good else "503 Service Unavailable",
            [("Content-Type", "application/json"), ("Cache-Control", "no-store")],
        )
        return body.encode()

    def _portal(self) -> str:
        """Does somebody answer at the portal's address?"""
        portal = self._supervisor.configuration.portal
        if not portal.address:
            return "off"
        connection = http.client.HTTPConnection(portal.address, portal.port, timeout=PORTAL_SECONDS)
        try:
            connection.request("GET", PORTAL_PATH)
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return "does not answer"
        finally:
            connection.close()
        return {200: "good", 503: "database is away"}.get(status, f"answers {status}")


class _Processes(Collector):
    """Collects at each scrape; keeps nothing."""

    def __init__(self, supervisor: "Supervisor") -> None:
        self._supervisor = supervisor

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        families: dict[str, Metric] = {}
        up = GaugeMetricFamily("outgate_worker_up", METRICS["outgate_worker_up"].help, labels=["worker"])
        for number, values in measure_workers(self._supervisor.configuration):
            worker = str(number)
            up.add_metric([worker], 0.0 if values is None else 1.0)
            for name, value in sorted((values or {}).items()):
                base, labels = split_labels(name)
                metric = METRICS.get(base)
                if metric is None:
                    continue
                family = families.get(base)
                if family is None:
                    kind = CounterMetricFamily if metric.kind is MetricKind.COUNTER else GaugeMetricFamily
                    family = families[base] = kind(base, metric.help, labels=["worker", *labels])
                family.add_metric([worker, *labels.values()], value)  # type: ignore[attr-defined]
        restarts = CounterMetricFamily(
            "outgate_process_restarts", METRICS["outgate_process_restarts"].help, labels=["process"]
        )
        for child in self._supervisor.children:
            restarts.add_metric([child.name], float(child.restarts))
        clerks: dict[str, Metric] = {}
        for name, value in measure_clerk(self._supervisor.configuration).items():
            base, labels = split_labels(name)
            if (metric := METRICS.get(base)) is not None:
                kind = CounterMetricFamily if metric.kind is MetricKind.COUNTER else GaugeMetricFamily
                family = clerks.get(base) or clerks.setdefault(base, kind(base, metric.help, labels=list(labels)))
                family.add_metric(list(labels.values()), value)  # type: ignore[attr-defined]
        yield from clerks.values()
        yield up
        yield restarts
        yield from families.values()
