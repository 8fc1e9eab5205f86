"""What only the cloud needs to know of an endpoint: ``cloud.yml``, a section in, a :class:`Cloud` out. Pure.

Names follow Azure's own rules, since a wrong one is found minutes into a deployment otherwise. A prefix ends with a
slash: ``output`` would be a prefix of ``output-of-others`` too.
"""

import ipaddress
import re
from dataclasses import dataclass
from typing import Literal, cast

from tritext_serve.endpoint.files.section import Section

StorageAccess = Literal["private_endpoint", "service_endpoint"]
ACCESSES = ("private_endpoint", "service_endpoint")
TELLTALE = "subscription"
_SUBSCRIPTION = re.compile(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}")
_ID_RULE = "its id in small letters, as `az account show --query id` prints it"
_GROUP = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,88}[A-Za-z0-9_-]|[A-Za-z0-9_-]")
_ACCOUNT = re.compile(r"[a-z0-9]{3,24}")
_REGISTRY = re.compile(r"[A-Za-z0-9]{5,50}")
_VAULT = re.compile(r"(?=.{3,24}$)[A-Za-z](-?[A-Za-z0-9])*")
_CONTAINER = re.compile(r"(?=.{3,63}$)[a-z0-9](-?[a-z0-9])*")
_IDENTITY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{2,23}")
_PREFIX = re.compile(r"([A-Za-z0-9_=-][A-Za-z0-9._=-]*/)+")
_IMAGE = re.compile(
    r"(?P<host>[a-z0-9.-]+)/(?P<name>[a-z0-9]+([._/-][a-z0-9]+)*)"
    r"(?P<version>:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}|@sha256:[0-9a-f]{64})?"
)
HOST = ".azurecr.io"
# Where a workspace keeps the models that were given to it: containers that it names itself.
WORKSPACES = "azureml"
SMALLEST_SPACE = 24


@dataclass(frozen=True, slots=True)
class Place:
    """Blobs of one container below one prefix.

    Attributes:
        container: Its name.
        prefix: Ends with a slash and begins with none.
    """

    container: str
    prefix: str


@dataclass(frozen=True, slots=True)
class Cloud:
    """What only the cloud needs to know.

    Attributes:
        subscription: Its id.
        resource_group: Where everything is made.
        storage_account: Holds the jobs' texts and labels, and the workspace's models.
        storage_access: How the jobs' subnet reaches it.
        registry: Holds the image.
        image: With its registry's host, and a tag or digest.
        key_vault: The workspace's own.
        endpoint_identity: As whom the deployments pull image and model.
        job_identity: As whom jobs read and write.
        input: What jobs may read.
        output: What they may write.
        address_space: Of the virtual network, in CIDR notation.
        callers: Peered networks that may reach the private endpoints, likewise.
    """

    subscription: str
    resource_group: str
    storage_account: str
    storage_access: StorageAccess
    registry: str
    image: str
    key_vault: str
    endpoint_identity: str
    job_identity: str
    input: Place
    output: Place
    address_space: str
    callers: tuple[str, ...] = ()

    def resource(self, provider: str, name: str) -> str:
        """Write the id of one of the group's resources."""
        return f"/subscriptions/{self.subscription}/resourceGroups/{self.resource_group}/providers/{provider}/{name}"


def read_cloud(section: Section) -> Cloud:
    """Read the file; whatever is wrong stands in the section's report."""
    registry = _name(section, "registry", _REGISTRY, "filmregistry", "5 to 50 letters and digits")
    cloud = Cloud(
        subscription=_name(section, "subscription", _SUBSCRIPTION, f"{'0' * 8}-…", _ID_RULE),
        resource_group=_name(section, "resource_group", _GROUP, "films", "up to 90 letters, digits, . _ and -"),
        storage_account=_name(section, "storage_account", _ACCOUNT, "filmmodels", "3 to 24 small letters and digits"),
        storage_access=cast(StorageAccess, section.choice("storage_access", ACCESSES, ACCESSES[0])),
        registry=registry,
        image=_read_image(section, registry),
        key_vault=_name(section, "key_vault", _VAULT, "film-secrets", "3 to 24 letters, digits and single dashes"),
        endpoint_identity=_name(section, "endpoint_identity", _IDENTITY, "sentiment-endpoint", "3 to 24 characters"),
        job_identity=_name(section, "job_identity", _IDENTITY, "sentiment-job", "3 to 24 letters, digits, _ and -"),
        input=_read_place(section, "input"),
        output=_read_place(section, "output"),
        address_space=_read_space(section),
        callers=_read_callers(section),
    )
    if cloud.job_identity and cloud.job_identity.lower() == cloud.endpoint_identity.lower():
        what = f"{cloud.job_identity!r} is the endpoint's too"
        section.refuse("job_identity", what, "give the jobs an identity of their own")
    _check_apart(section, cloud.input, cloud.output)
    section.close()
    return cloud


def image_faults(image: str, registry: str = "") -> list[tuple[str, str]]:
    """Say what is wrong with an image's name, each with its remedy.

    Args:
        image: As a deployment names it.
        registry: Where it must lie; "" for any of Azure's.
    """
    found = _IMAGE.fullmatch(image)
    example = f"{(registry or 'filmregistry').lower()}{HOST}/tritext:1.0"
    if found is None:
        return [("is no image's name", f"write such as {example}")]
    if not found["host"].endswith(HOST) or (registry and found["host"] != f"{registry.lower()}{HOST}"):
        return [("does not lie in the registry that the endpoint may pull from", f"write such as {example}")]
    if found["version"] in (None, ":latest"):
        return [("says not which one: what it is could change under the endpoint", "give a tag or, better, a digest")]
    return []


def _name(section: Section, field: str, pattern: re.Pattern[str], example: str, rule: str) -> str:
    value = section.text(field, example)
    if value is None:
        return ""
    if pattern.fullmatch(value):
        return value
    section.refuse(field, f"{value!r} is not a name that Azure takes", f"use {rule}")
    return ""


def _read_image(section: Section, registry: str) -> str:
    image = section.text("image", "filmregistry.azurecr.io/tritext:1.0")
    for what, remedy in image_faults(image, registry) if image else ():
        section.refuse("image", f"{image!r} {what}", remedy)
    return image or ""


def _read_place(section: Section, field: str) -> Place:
    place = section.section(field)
    if place is None:
        if field not in section:
            section.refuse(field, "is missing", f"write `{field}: {{container: reviews, prefix: {field}/}}`")
        return Place("", "")
    container = _name(place, "container", _CONTAINER, "reviews", "3 to 63 small letters, digits and single dashes")
    if container.startswith(WORKSPACES):
        place.refuse("container", f"{container!r} begins as a workspace's own do", "name it otherwise")
    prefix = place.text("prefix", f"{field}/")
    if prefix is not None and not _PREFIX.fullmatch(prefix):
        remedy = "write folders of letters, digits and . _ = -, each with a slash after it"
        place.refuse("prefix", f"{prefix!r} is not a prefix that a condition can hold", remedy)
        prefix = ""
    place.close()
    return Place(container, prefix or "")


def _check_apart(section: Section, given: Place, taken: Place) -> None:
    """Refuse an output that lies in the input or around it: a job would change what it reads."""
    prefixes = (given.prefix, taken.prefix)
    same = bool(given.container) and given.container == taken.container and all(prefixes)
    if same and (prefixes[0].startswith(prefixes[1]) or prefixes[1].startswith(prefixes[0])):
        how = "lies within" if prefixes[1].startswith(prefixes[0]) else "lies around"
        what = f"{taken.prefix!r} {how} the input, {given.prefix!r}: a job could change what it reads"
        section.refuse("output", what, "give it a prefix of its own")


def _read_callers(section: Section) -> tuple[str, ...]:
    callers = section.texts("callers")
    for text in callers:
        try:
            private = ipaddress.IPv4Network(text).is_private
        except ValueError:
            private = False
        if not private:
            section.refuse("callers", f"{text!r} is no private range of addresses", "write such as 10.70.0.0/24")
    return callers


def _read_space(section: Section) -> str:
    text = section.text("address_space", "10.60.0.0/16", "10.60.0.0/16") or ""
    try:
        network = ipaddress.IPv4Network(text)
    except ValueError:
        section.refuse("address_space", f"{text!r} is no range of addresses", "write such as 10.60.0.0/16")
        return ""
    if not network.is_private:
        section.refuse("address_space", f"{text!r} is public", "write a private one, such as 10.60.0.0/16")
    elif network.prefixlen > SMALLEST_SPACE:
        remedy = f"write one of /{SMALLEST_SPACE} or more, such as 10.60.0.0/16"
        section.refuse("address_space", f"{text!r} is too small for two subnets", remedy)
    return text
