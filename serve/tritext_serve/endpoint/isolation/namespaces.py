"""A plan as namespaces of this machine's kernel: built, changed and taken down. Needs root; the only module that does.

Nothing outside the namespaces is touched: no route, no filter and no forwarding of the machine's own network. Every
name holds the number of the process that it belongs to: what a killed one left is swept away by whoever builds next,
and what a living one has is nobody else's business.
"""

import logging
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

from tritext_serve.endpoint.isolation import filters
from tritext_serve.endpoint.isolation.plan import NAMED, Link, Namespace, Plan, device
from tritext_serve.errors import IsolationError

# Where `ip netns exec` looks for the files that it lays over those in /etc.
FILES = Path("/etc/netns")
COMMAND_SECONDS = 30
MOST_SAID = 200  # characters
END_SECONDS = 10.0
POLL_SECONDS = 0.02
LOOPBACK_ONLY = "127.0.0.1 localhost\n"
_LOG = logging.getLogger(__name__)
# tritext.films.4711-ingress: names of endpoints have no dots.
_OWNED = re.compile(r"(tritext\.[^.]+\.([0-9]+))-.+")


class Network:
    """A plan that stands, from ``with`` to its end."""

    def __init__(self, plan: Plan) -> None:
        """Remember what is to be built."""
        self.plan = plan

    def __enter__(self) -> "Network":
        """Build it.

        Raises:
            IsolationError: this user or machine may not.
        """
        require()
        sweep_dead()
        sweep(self.plan.prefix)
        try:
            for namespace in self.plan.namespaces:
                self._add(namespace)
            for link in self.plan.links:
                self._connect(link)
        except BaseException as error:
            sweep(self.plan.prefix)
            if isinstance(error, OSError):
                raise IsolationError(f"no isolation here: {error}: allow files below {FILES.parent}") from error
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take it down, with whatever still runs in it."""
        sweep(self.plan.prefix)

    def become(self, plan: Plan) -> None:
        """Change what stands into another plan for the same namespaces: filters, files, forwarding and links.

        A filter is replaced at once. Links that are new are laid and those that are gone are cut.
        """
        before, self.plan = self.plan, plan
        for link in before.links:
            if link not in plan.links:
                _ip(f"-n {plan.kernel_name(link.left.namespace)} link delete {device(link.right.namespace)}")
        for namespace in plan.namespaces:
            if namespace != before[namespace.name]:
                self._configure(namespace)
        for link in plan.links:
            if link not in before.links:
                self._connect(link)

    def enter(self, command: Sequence[str], namespace: str) -> list[str]:
        """Wrap a command so that it runs in a namespace, with that namespace's hosts file."""
        return enter(command, self.plan.kernel_name(namespace))

    def _add(self, namespace: Namespace) -> None:
        name = self.plan.kernel_name(namespace.name)
        _ip(f"netns add {name}")
        # Version 6 is off, and a packet that comes in where its answer would not go out is dropped.
        settings = ("net.ipv6.conf.all.disable_ipv6=1", "net.ipv4.ip_forward=0", "net.ipv4.conf.all.rp_filter=1")
        _run([*enter(["sysctl", "-qw"], name), *settings])
        self._configure(namespace)
        _ip(f"-n {name} link set lo up")

    def _configure(self, namespace: Namespace) -> None:
        """Write the files before the filter, and both before the first link."""
        name = self.plan.kernel_name(namespace.name)
        folder = FILES / name
        folder.mkdir(parents=True, exist_ok=True)
        lines = "".join(f"{address} {host}\n" for address, host in namespace.hosts)
        (folder / "hosts").write_text(LOOPBACK_ONLY + lines, encoding="utf-8")
        # An empty file would mean a resolver on loopback, where nobody answers but the question is still waited for.
        resolver = f"nameserver {namespace.resolver}\n" if namespace.resolver else ""
        options = "options timeout:1 attempts:1\n"
        (folder / "resolv.conf").write_text(resolver + options, encoding="utf-8")
        _run([*enter(["nft", "-f", "-"], name)], filters.render(namespace))
        _run([*enter(["sysctl", "-qw"], name), f"net.ipv4.ip_forward={int(namespace.forwards)}"])

    def _connect(self, link: Link) -> None:
        left, right = (self.plan.kernel_name(end.namespace) for end in (link.left, link.right))
        to_right, to_left = device(link.right.namespace), device(link.left.namespace)
        _ip(f"link add {to_right} netns {left} type veth peer name {to_left} netns {right}")
        for here, there in link.ends:
            port = device(there.namespace)
            lines = [f"address add {address}/32 dev {port}" for address in here.addresses]
            lines.append(f"link set {port} up")
            lines += [f"route add {address}/32 dev {port} src {here.address}" for address in there.addresses]
            lines += [f"route add {prefix} via {there.address} dev {port} onlink" for prefix in here.reaches]
            _ip("\n".join(lines), "-n", self.plan.kernel_name(here.namespace), "-batch", "-")


def enter(command: Sequence[str], kernel_name: str) -> list[str]:
    """Wrap a command so that it runs in a namespace."""
    return ["ip", "netns", "exec", kernel_name, *command]


def missing() -> str:
    """Say what keeps this machine or user from building namespaces; empty if nothing does."""
    if os.geteuid() != 0:
        return "namespaces need root: run it as root, or in a container that may do CAP_NET_ADMIN"
    for program, package in (("ip", "iproute2"), ("nft", "nftables"), ("sysctl", "procps")):
        if shutil.which(program) is None:
            return f"there is no {program}: install the package {package}"
    probe = f"{own_prefix('probe')}-nft"
    try:
        _ip(f"netns add {probe}")
    except IsolationError as error:
        return f"{error}: allow CAP_NET_ADMIN and CAP_SYS_ADMIN"
    try:
        _run([*enter(["nft", "list", "ruleset"], probe)])
    except IsolationError as error:
        return f"nftables does not work here: {error}"
    finally:
        _ip(f"netns delete {probe}")
    return ""


def require() -> None:
    """Refuse where namespaces cannot be had.

    Raises:
        IsolationError: naming what is missing.
    """
    if why := missing():
        raise IsolationError(f"no isolation here: {why}")


def own_prefix(name: str) -> str:
    """Begin the names of the namespaces that this process has under a name without dots, and of no other process's."""
    return f"tritext.{name}.{os.getpid()}"


def addresses() -> list[str]:
    """List the addresses of version 4 that this network has itself, loopback's too."""
    return re.findall(r" inet ([0-9.]+)", _ip("-4 -o address show"))


def standing(prefix: str) -> list[str]:
    """List the kernel's names of the namespaces that stand under a prefix."""
    names = (line.split()[0] for line in _ip("netns list").splitlines() if line.strip())
    return sorted(name for name in names if name.startswith(f"{prefix}-"))


def sweep(prefix: str) -> None:
    """Remove every namespace under a prefix: who runs in it, its files, itself. Safe where there is none."""
    names = standing(prefix)
    _end(names)
    for name in names:
        with _unless_gone(name):
            _ip(f"netns delete {name}")
    for folder in FILES.glob(f"{prefix}-*"):
        shutil.rmtree(folder, ignore_errors=True)


def sweep_dead() -> None:
    """Remove the namespaces of processes that were killed before they could; for root, and safe for others."""
    if os.geteuid() != 0:
        return
    found = (_OWNED.fullmatch(path.name) for folder in (NAMED, FILES) for path in folder.glob("tritext.*"))
    owners = {match[1]: match[2] for match in found if match}
    for prefix, pid in owners.items():
        if not Path("/proc", pid).exists():
            try:
                sweep(prefix)
            except IsolationError as error:  # it keeps nobody from anything: whoever comes next tries again
                _LOG.warning("namespaces of a killed process are left: %s", error)


@contextmanager
def _unless_gone(name: str) -> Iterator[None]:
    """Let an error pass by where another sweep was faster."""
    try:
        yield
    except IsolationError:
        if (NAMED / name).exists():
            raise


def _end(names: Iterable[str]) -> None:
    """End the processes in namespaces: a namespace without a name lives on while one of them does.

    Raises:
        IsolationError: one cannot be killed.
    """
    begun, number = time.monotonic(), signal.SIGTERM
    while inside := {pid for name in names for pid in _processes(name)}:
        if time.monotonic() > begun + END_SECONDS:
            number = signal.SIGKILL
        if time.monotonic() > begun + 2 * END_SECONDS:
            raise IsolationError(f"processes {sorted(inside)} do not end: see what they wait for, then start again")
        for pid in inside:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        time.sleep(POLL_SECONDS)


def _processes(name: str) -> list[int]:
    found = ""
    with _unless_gone(name):
        found = _ip(f"netns pids {name}")
    return [int(word) for word in found.split()]


def _ip(text: str, *flags: str) -> str:
    """Run ``ip`` with words, or with lines on its standard input where there are flags."""
    return _run(["ip", *flags], text) if flags else _run(["ip", *text.split()])


def _run(command: list[str], stdin: str = "") -> str:
    try:
        done = subprocess.run(
            command, input=stdin, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise IsolationError(str(error)[:MOST_SAID]) from error
    if done.returncode != 0:
        raise IsolationError(f"{' '.join(command)[:MOST_SAID]}: {done.stderr.strip() or done.returncode}")
    return done.stdout
