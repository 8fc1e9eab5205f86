"""How an endpoint stands: a supervisor in, what `show`, Prometheus and its scrape configuration need out."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tritext_serve.endpoint.supervisor.crew import Crew
from tritext_serve.endpoint.supervisor.instance import Instance
from tritext_serve.endpoint.supervisor.metrics import Standing
from tritext_serve.endpoint.targets import Scraped, scrape_targets
from tritext_serve.errors import ServerDiedError

if TYPE_CHECKING:
    from tritext_serve.endpoint.supervisor.supervisor import Supervisor


def snapshot(supervisor: "Supervisor") -> dict[str, Any]:
    """Say how everything stands, as JSON can hold it."""
    endpoint, plan = supervisor.endpoint, supervisor.plan
    return {
        "name": endpoint.name,
        "pid": os.getpid(),
        "began": supervisor.began,
        "urls": [each.url for each in plan.listeners],
        "keys_file": str(plan.keys_file),
        "run_directory": str(supervisor.run.path),
        "supervisor": "http://{}:{}".format(*supervisor.health),
        "edge_stats": "http://{}:{}".format(*supervisor.stats),
        "namespaces": plan.walls.plan.prefix if plan.walls else "",
        "traffic": dict(endpoint.traffic),
        "mirror": dict(endpoint.mirror_traffic),
        "deployments": [_deployment(supervisor, crew) for crew in list(supervisor.crews.values())],
    }


def standing(supervisor: "Supervisor") -> Standing:
    """Say how everything stands, as metrics need it."""
    crews, endpoint = dict(supervisor.crews), supervisor.endpoint
    return Standing(
        phases={(name, each.number): each.state.phase for name, crew in crews.items() for each in crew.instances},
        well={name: crew.well for name, crew in crews.items()},
        traffic={name: endpoint.traffic.get(name, 0) for name in crews},
        mirror={name: endpoint.mirror_traffic.get(name, 0) for name in crews},
        keys=len(supervisor.keys),
        expected={(name, *key): share for name, crew in crews.items() for key, share in crew.expected.items()},
        memory_bytes={name: sum(each.memory_bytes for each in crew.instances) for name, crew in crews.items()},
    )


def write_targets(supervisor: "Supervisor", path: Path) -> None:
    """Write whom Prometheus scrapes, at once."""
    tritons = [
        Scraped(name, f"{address.reachable_host}:{address.metrics}", instance.number)
        for name, crew in supervisor.crews.items()
        for instance in crew.instances
        for address in [instance.server.options.address]
    ]
    where = "{}:{}".format
    text = scrape_targets(supervisor.endpoint.name, tritons, where(*supervisor.stats), where(*supervisor.health))
    temporary = path.with_suffix(".new")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def _deployment(supervisor: "Supervisor", crew: Crew) -> dict[str, Any]:
    endpoint, name = supervisor.endpoint, crew.deployment.name
    return {
        "name": name,
        "repository": str(crew.deployment.repository),
        "model": crew.deployment.model,
        "models": dict(crew.models),
        "traffic": endpoint.traffic.get(name, 0),
        "mirror": endpoint.mirror_traffic.get(name, 0),
        "memory_limit_bytes": crew.group.memory_bytes,
        "control_group": bool(crew.group.folders),
        "instances": [_instance(each) for each in crew.instances],
    }


def _instance(instance: Instance) -> dict[str, Any]:
    state, address = instance.state, instance.server.options.address
    return {
        "number": instance.number,
        "state": "suspect" if state.suspect else str(state.phase),
        "well": state.well,
        "restarts": state.restarts,
        "reason": str(state.reason) if state.restarts or not state.well else "",
        "detail": state.detail if state.restarts or not state.well else "",
        "memory_bytes": instance.memory_bytes,
        "pid": _pid(instance),
        "http": address.http,
        "grpc": address.grpc,
        "metrics": address.metrics,
    }


def _pid(instance: Instance) -> int | None:
    try:
        return instance.server.pid
    except ServerDiedError:
        return None
