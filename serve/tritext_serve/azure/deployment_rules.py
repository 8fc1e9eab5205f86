"""The rules for a deployment of our container, one function each: a section in, refusals in its report. Pure."""

import re
from pathlib import PurePosixPath

from tritext_serve.azure.cloud import image_faults
from tritext_serve.azure.documents import (
    CONCURRENT,
    CONCURRENT_FIELD,
    CUSTOM,
    MODELS_VARIABLE,
    MOUNT,
    PORT,
    ROUTES,
)
from tritext_serve.endpoint.files.deployment import LONGEST_PROBE_S, LONGEST_TIMEOUT_MS, MOST_CONCURRENT, MOST_INSTANCES
from tritext_serve.endpoint.files.names import read_name
from tritext_serve.endpoint.files.report import quote
from tritext_serve.endpoint.files.section import Section

_MODEL = {"name": "sentiment", "version": '"1"', "path": "../model_repository"}
_PROBES = ("liveness_probe", "readiness_probe")
_PROBE = ("initial_delay", "period", "timeout", "success_threshold", "failure_threshold")
# What such a variable holds would stand in the deployment's description, which every reader of the workspace sees.
_SECRET = re.compile(r"(KEY|SECRET|PASSWORD|PASSWD|TOKEN|SAS|CREDENTIAL|CONNECTION_STRING)$", re.IGNORECASE)
_CODE = re.compile(r"LD_.*|PYTHON(PATH|STARTUP|HOME)|BASH_ENV|ENV", re.IGNORECASE)
# The smallest sizes lend their processor by the minute.
_BURSTABLE = re.compile(r"Standard_B\d", re.IGNORECASE)


def judge_deployment(section: Section) -> None:
    """Judge a deployment's file."""
    read_name(section, "name", "blue")
    read_name(section, "endpoint_name", "my-endpoint")
    _judge_size(section)
    mounted = _judge_model(section)
    _judge_environment(section)
    _judge_variables(section, mounted)
    _judge_settings(section)
    for probe in _PROBES:
        _judge_probe(section, probe)
    if "code_configuration" in section:
        section.refuse("code_configuration", "a deployment brings no code: all of it is in the image", "remove it")
    if "data_collector" in section:
        section.refuse("data_collector", "would keep the texts of requests", "remove it")


def judge_kept(section: Section) -> None:
    """Judge what a deployment's own file says and Azure gets as it is."""
    _judge_size(section)
    _judge_variables(section, "")
    for probe in _PROBES:
        _judge_probe(section, probe)


def another_model(theirs: str, ours: str, file: str) -> str:
    """Say what is wrong where two deployments answer as different models."""
    return (
        f"answers as {quote(theirs)}, and {file} as {quote(ours)}: callers name the model in the path, so that a share "
        "of them would get 404"
    )


def _judge_size(section: Section) -> None:
    kind = section.text("instance_type", "Standard_F4s_v2")
    if kind is not None and _BURSTABLE.match(kind):
        section.refuse("instance_type", f"{kind!r} lends its processor by the minute", "write such as Standard_F4s_v2")
    if "instance_count" not in section:
        section.refuse("instance_count", "is missing", "write `instance_count: 1`, or more")
    section.whole("instance_count", 1, 1, MOST_INSTANCES)


def _judge_model(section: Section) -> str:
    """Judge the model and where it is mounted.

    Returns:
        The folder that it is in; "" where that is not known.
    """
    model = section.section("model")
    if model is None:
        if "model" not in section:
            section.refuse("model", "is missing", f"write `model: {{name: m, version: 1, path: ., type: {CUSTOM}}}`")
        return ""
    kind = model.text("type", CUSTOM, "")
    if kind != CUSTOM:
        what = "would run in Azure's image, which has no backend tritext" if kind == "triton_model" else "is no folder"
        model.refuse("type", f"{kind!r} {what}", f"write `type: {CUSTOM}`")
    name, version, path = (model.text(each, example) for each, example in _MODEL.items())
    if path is not None and path.lower().startswith(("http:", "https:", "wasbs:", "abfss:")):
        model.refuse("path", f"{path!r} is fetched unchecked", "pull it with our own fetcher, and give the folder")
    mount = section.text("model_mount_path", MOUNT)
    if mount is None:
        return ""
    if not mount.startswith("/") or ".." in PurePosixPath(mount).parts or len(PurePosixPath(mount).parts) < 3:
        remedy = f"write `model_mount_path: {MOUNT}`"
        section.refuse("model_mount_path", f"{mount!r} is no folder below another from the root", remedy)
        return ""
    return f"{mount}/{name}/{version}" if name and version else ""


def _judge_environment(section: Section) -> None:
    environment = section.section("environment")
    if environment is None:
        if "environment" not in section:
            remedy = "write `environment: {image: filmregistry.azurecr.io/tritext:1.0, inference_config: …}`"
            section.refuse("environment", "is missing: Azure's own image has no backend tritext", remedy)
        return
    if "build" in environment or "conda_file" in environment:
        field = "build" if "build" in environment else "conda_file"
        environment.refuse(field, "would build another image than the one that was tested", "write `image`")
    image = environment.text("image", "filmregistry.azurecr.io/tritext:1.0")
    for what, remedy in image_faults(image) if image else ():
        environment.refuse("image", f"{image!r} {what}", remedy)
    config = environment.section("inference_config")
    if config is None:
        remedy = f"write {', '.join(f'`{_written(name, path)}`' for name, path in ROUTES.items())}"
        environment.refuse("inference_config", "is missing: Azure would not know where the container answers", remedy)
        return
    for route, path in ROUTES.items():
        _judge_route(config, route, path)


def _judge_route(config: Section, name: str, path: str) -> None:
    """Our image answers at fixed paths of one port."""
    remedy = f"write `{_written(name, path)}`"
    route = config.section(name)
    if route is None:
        if name not in config:
            config.refuse(name, "is missing", remedy)
        return
    said = route.text("path", path)
    if said not in (None, path):
        route.refuse("path", f"{said!r} is not where our container answers", remedy)
    if "port" not in route:
        route.refuse("port", "is missing: Azure would take 5001", remedy)
    elif (port := route.whole("port", PORT, 1, 65_535)) != PORT:
        route.refuse("port", f"{port} is not where our container answers", remedy)


def _written(name: str, path: str) -> str:
    return f"{name}: {{path: {path}, port: {PORT}}}"


def _judge_variables(section: Section, mounted: str) -> None:
    variables = section.values("environment_variables")
    for name, value in variables.items():
        if _SECRET.search(name):
            what = "looks like a secret, and every reader of the workspace would see it"
            section.refuse_key("environment_variables", name, what, "give the identity a role instead")
        elif _CODE.fullmatch(name):
            section.refuse_key("environment_variables", name, "can bring code into the process", "remove it")
        elif not isinstance(value, str):
            section.refuse_key("environment_variables", name, f"is {value!r}, no text", 'write it in "quotes"')
    if not mounted:
        return
    said = variables.get(MODELS_VARIABLE)
    if said is None:
        section.refuse("environment_variables", f"lacks {MODELS_VARIABLE}", f"write `{MODELS_VARIABLE}: {mounted}`")
    elif said != mounted:
        what = f"is {said!r}, and the model is mounted elsewhere"
        section.refuse_key("environment_variables", MODELS_VARIABLE, what, f"write {mounted}")


def _judge_settings(section: Section) -> None:
    settings = section.section("request_settings")
    if settings is None or CONCURRENT_FIELD not in settings:
        what = f"{CONCURRENT_FIELD} is missing: Azure would let an instance have one request at a time"
        section.refuse("request_settings", what, f"write `{CONCURRENT_FIELD}: {CONCURRENT}`")
    if settings is None:
        return
    settings.whole("request_timeout_ms", 5000, 1, LONGEST_TIMEOUT_MS)
    settings.whole(CONCURRENT_FIELD, 1, 1, MOST_CONCURRENT)
    if "max_queue_wait_ms" in settings:
        settings.refuse("max_queue_wait_ms", "was given up by Azure", "raise `request_timeout_ms`")


def _judge_probe(section: Section, name: str) -> None:
    probe = section.section(name)
    if probe is None:
        return
    values = {each: probe.whole(each, 1, 1, LONGEST_PROBE_S) for each in _PROBE}
    if values["timeout"] > values["period"]:
        what = f"is {values['timeout']}, longer than the period of {values['period']}"
        probe.refuse("timeout", what, "give less time for an answer, or ask less often")
