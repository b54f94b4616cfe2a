"""The node itself: its namespaces, its cable to the machine, and how a program gets inside.

```
machine                              node (own network and mount namespace)
  mr-node 10.245.0.2 ---- veth ----  eth0 10.245.0.1
  routes: pods, Services via node    services: a bridge without ports, so that traffic for a
                                     Service address that nothing answers goes nowhere
```
"""

import contextlib
import ipaddress
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from e2e.cluster import tools
from e2e.cluster.local import cgroup, process
from e2e.cluster.local.layout import (
    HOST_ADDRESS,
    HOST_LINK,
    LINK_BITS,
    NODE_ADDRESS,
    POD_RANGE,
    SERVICE_RANGE,
    Layout,
)
from e2e.cluster.progress import StepError
from e2e.cluster.shell import run

HOLDER = "namespaces"
_IN_NEW_NAMESPACES = ("unshare", "--mount", "--net", "--propagation", "private", "--")

# The kubelet sets these for the whole machine; they are put back when the cluster goes.
KUBELET_SYSCTLS = (
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxbytes",
    "kernel/keys/root_maxkeys",
)


@dataclass(frozen=True)
class Node:
    """The namespaces in which the node's programs run, held open by one idle process."""

    layout: Layout

    def inside(self, *command: str | Path) -> list[str]:
        """Return `command` with what makes it run inside the node."""
        holder = process.pid(self.layout.run, HOLDER)
        if holder is None:
            raise StepError("the node's namespaces are gone", hint="run `make cluster`")
        return [
            "nsenter",
            f"--mount=/proc/{holder}/ns/mnt",
            f"--net=/proc/{holder}/ns/net",
            "--",
            *map(str, command),
        ]

    def program(
        self,
        name: str,
        *command: str | Path,
        ready: Callable[[], bool],
        within: float = 60,
    ) -> str:
        """Make program `command` run inside the node; return what had to be done."""
        path = f"{self.layout.state / 'bin'}:/usr/sbin:/usr/bin:/sbin:/bin"
        wanted = process.Program(name, self.inside(*command), ready, {"PATH": path}, within)
        return process.ensure(wanted, self.layout.run, self.layout.logs)

    def create(self) -> str:
        """Make the namespaces and the cable, or leave them as they are when they work."""
        if process.alive(self.layout.run, HOLDER) and self._reachable():
            return "there already"
        left = self.destroy()
        _refuse_taken_ranges()
        self._keep_sysctls()
        cgroup.create()
        # Starting the holder makes the namespaces: they are there once `unshare` has become it.
        holder = str(tools.binary("pause"))
        process.ensure(
            process.Program(
                HOLDER,
                # The holder ignores its argument: it tells others whose cluster this is.
                [*_IN_NEW_NAMESPACES, holder, str(self.layout.state)],
                lambda: self._holder_is(holder),
                {},
                within=10,
            ),
            self.layout.run,
            self.layout.logs,
        )
        self._mounts()
        self._network()
        return f"made anew, {left} old processes ended" if left else "made"

    def destroy(self) -> int:
        """End every process of the node; links, routes, tables and mounts go with the last one.

        Returns:
            How many processes were ended.

        Raises:
            StepError: the processes belong to a cluster with another state directory.
        """
        self._refuse_other_cluster()
        ended = cgroup.end_all()
        for record in self.layout.run.glob("*.json"):
            record.unlink()
        # The kernel takes a namespace apart in the background; the cable is deleted at once.
        with contextlib.suppress(StepError):
            run(["ip", "link", "delete", HOST_LINK])
        self._restore_sysctls()
        return ended

    def leftovers(self) -> list[str]:
        """What is left of the node on this machine, outside its state directory."""
        found = [f"process {pid}" for pid in sorted(cgroup.pids())]
        found += [f"cgroup {path}" for path in cgroup.directories()]
        if (Path("/sys/class/net") / HOST_LINK).exists():
            found.append(f"network link {HOST_LINK}")
        # Namespaces hide the node's tables and mounts; these would be ones that escaped.
        tables = run(["nft", "list", "tables"]).splitlines()
        found += [f"nftables {table}" for table in tables if "kube-proxy" in table]
        # Asked without the cgroup, so that a process which escaped it is found too: whoever has a
        # mount of the state directory is, or was, part of the node.
        for process_mounts in Path("/proc").glob("[0-9]*/mountinfo"):
            with contextlib.suppress(OSError):
                if f"{self.layout.state}/" in process_mounts.read_text():
                    found.append(f"mounts seen by process {process_mounts.parent.name}")
        return found

    def _refuse_other_cluster(self) -> None:
        for pid in cgroup.pids():
            with contextlib.suppress(OSError):
                words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")[:-1]
                # A pod's own holder has no argument.
                if len(words) == 2 and Path(words[0]).name == "pause":
                    other = words[1]
                    if other != str(self.layout.state):
                        raise StepError(
                            f"another cluster, with its state in {other}, runs on this machine",
                            hint=f"stop it with `MODEL_ROLLOUTS_STATE={other} make cluster-down`",
                        )

    def _holder_is(self, program: str) -> bool:
        pid = process.pid(self.layout.run, HOLDER)
        with contextlib.suppress(OSError):
            return Path(f"/proc/{pid}/exe").readlink() == Path(program)
        return False

    def _mounts(self) -> None:
        # Shared among the node and its pods, private towards the machine: the kubelet's mounts
        # must reach containers and must not reach us.
        run(self.inside("mount", "--make-rshared", "/"))
        # Programs with fixed paths (sockets of shims, records of CNI) write into these.
        for directory in ("/run", "/var/lib"):
            run(self.inside("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", directory))

    def _network(self) -> None:
        holder = process.pid(self.layout.run, HOLDER)
        run(["ip", "link", "add", HOST_LINK, "type", "veth", "peer", "eth0", "netns", str(holder)])
        run(["ip", "address", "add", f"{HOST_ADDRESS}/{LINK_BITS}", "dev", HOST_LINK])
        run(["ip", "link", "set", HOST_LINK, "up"])
        for command in (
            "ip link set lo up",
            f"ip address add {NODE_ADDRESS}/{LINK_BITS} dev eth0",
            "ip link set eth0 up",
            "ip link add services type bridge",
            "ip link set services up",
            f"ip route add {SERVICE_RANGE} dev services",
            "sysctl -q -w net.ipv4.ip_forward=1",
        ):
            run(self.inside(*command.split()))
        for reached in (POD_RANGE, SERVICE_RANGE):
            run(["ip", "route", "add", reached, "via", NODE_ADDRESS, "dev", HOST_LINK])

    def _reachable(self) -> bool:
        routes = json.loads(run(["ip", "-json", "-4", "route", "show"]) or "[]")
        through = {route["dst"] for route in routes if route.get("dev") == HOST_LINK}
        return {POD_RANGE, SERVICE_RANGE} <= through

    def _keep_sysctls(self) -> None:
        kept = self.layout.state / "sysctls.json"
        if not kept.exists():
            self.layout.state.mkdir(parents=True, exist_ok=True)
            values = {
                name: (Path("/proc/sys") / name).read_text().strip() for name in KUBELET_SYSCTLS
            }
            kept.write_text(json.dumps(values))

    def _restore_sysctls(self) -> None:
        kept = self.layout.state / "sysctls.json"
        if kept.exists():
            for name, value in json.loads(kept.read_text()).items():
                (Path("/proc/sys") / name).write_text(value)
            kept.unlink()


def _refuse_taken_ranges() -> None:
    """Refuse to cover addresses that the machine already reaches some other way."""
    cable = f"{HOST_ADDRESS}/{LINK_BITS}"
    ours = [ipaddress.ip_network(text, strict=False) for text in (POD_RANGE, SERVICE_RANGE, cable)]
    for route in json.loads(run(["ip", "-json", "-4", "route", "show"]) or "[]"):
        if route["dst"] == "default":
            continue
        theirs = ipaddress.ip_network(route["dst"])
        for mine in ours:
            if mine.overlaps(theirs):
                raise StepError(
                    f"this machine has a route to {theirs} ({route.get('dev')}), "
                    f"which the cluster wants for {mine}",
                    hint="leave that network, or use PROVIDER=kind",
                )
