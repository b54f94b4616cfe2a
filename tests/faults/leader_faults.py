"""What goes wrong with one of several operators: with its way to the API server, and its clock."""

from dataclasses import dataclass, replace

from tests.engine.shared_lease import SharedLease
from tests.faults.api_server import Change
from tests.faults.faults import Fault, Killed, Surroundings
from tests.faults.notes import Input
from tests.faults.people import PERSON, Act, Moment
from tests.faults.transport import Asked, Trouble
from tests.faults.virtual_time import now
from tests.faults.watch_source import Wire
from tests.faults.world import World

KILLED = Killed(every=0, times=0, away=8.0)
"""By somebody who does not count writes."""


@dataclass(frozen=True)
class CutOff(Fault):
    """An operator, or each of them, reaches Prometheus and not the API server, for some seconds."""

    seconds: float
    whom: str = ""
    cuts = True

    def meets(self, asked: Asked, around: Surroundings) -> Trouble | None:
        """No answer."""
        return Trouble(None, "no route to host")

    def disturbs(self, change: Change, around: Surroundings) -> tuple[Wire, float] | None:
        """What happens meanwhile is heard afterwards."""
        return Wire.LATE, self.seconds


@dataclass(frozen=True)
class LeaseUnanswered(Fault):
    """An operator gets no answer about its Lease, and one to everything else."""

    whom: str = "leader"
    cuts = True


@dataclass(frozen=True)
class ClockWrong(Fault):
    """The wall clock of an operator is so many seconds ahead, and steps back at the end."""

    ahead: float
    whom: str = "leader"

    def begin(self, around: Surroundings) -> None:
        """It steps."""
        around.clock.ahead += self.ahead

    def end(self, around: Surroundings) -> None:
        """It steps back."""
        around.clock.ahead -= self.ahead


def kills(moment: Moment, whom: str) -> Act:
    """An operator is killed, whatever it does at the moment."""

    def do(world: World) -> None:
        life = world.hit_by(whom)
        if life is not None and life.transport is not None:
            world.note(Input(now(), "kubelet", f"kills the {whom} (life {life.number})"))
            life.killed_by = KILLED
            life.killed.set()
            life.transport.cut()

    return Act(moment, f"kill the {whom}", do)


def stops(moment: Moment, whom: str) -> Act:
    """An operator is told to end, as in a rolling update."""

    def do(world: World) -> None:
        life = world.hit_by(whom)
        if life is not None:
            world.note(Input(now(), "kubelet", f"stops the {whom} (life {life.number})"))
            life.stopping.set()

    return Act(moment, f"stop the {whom}", do)


def takes_away_the_lease(moment: Moment, *, deletes: bool) -> Act:
    """Somebody deletes the Lease, or empties it."""

    def do(world: World) -> None:
        shared: SharedLease = world.lease
        if shared.lease is None:
            return
        shared.put(None if deletes else replace(shared.lease.claim, holder=None))
        world.note(Input(now(), PERSON, f"{'deletes' if deletes else 'empties'} the Lease"))

    return Act(moment, "take away the Lease", do)
