"""Which time the operator uses when clocks differ: two of three win, and steps change nothing."""

import logging
from email.utils import formatdate

import pytest

from model_rollouts.engine.clock import TOLERATED_S, Clock, Server

NOON = 1_774_965_720.0
HOUR_S = 3600.0
A_SECOND = 1.0
"""A server tells whole seconds."""


class Machines:
    """Three clocks, each so far ahead of the truth, and one that nobody sets."""

    def __init__(self, own: float = 0.0, api: float = 0.0, prometheus: float = 0.0) -> None:
        self.at = 0.0
        self.own = own
        self.ahead = {Server.API: api, Server.PROMETHEUS: prometheus}
        self.told: list[float] = []
        self.clock = Clock(lambda: NOON + self.at + self.own, lambda: self.at, self.told.append)

    def hear(self, *servers: Server, after: float = 1.0) -> None:
        """Time passes, and servers answer."""
        self.at += after
        for each in servers or tuple(Server):
            date = formatdate(NOON + self.at + self.ahead[each], usegmt=True)
            self.clock.heard(each, date)

    @property
    def off(self) -> float:
        """How far the time that is used is ahead of the truth."""
        return self.clock() - NOON - self.at


@pytest.mark.parametrize("own", [-9.0, -0.5, 0.0, 9.0])
def test_a_clock_that_is_a_little_off_is_used_as_it_is(own: float) -> None:
    machines = Machines(own=own)
    machines.hear()
    assert machines.off == pytest.approx(own)
    assert set(machines.told) == {0.0}


@pytest.mark.parametrize("own", [-HOUR_S, -20.0, 20.0, HOUR_S])
def test_a_clock_that_is_far_off_is_not_used_and_told(
    own: float, caplog: pytest.LogCaptureFixture
) -> None:
    machines = Machines(own=own)
    for _ in range(3):
        machines.hear()
        assert machines.off == pytest.approx(0.0, abs=A_SECOND)
    assert machines.told[-1] == pytest.approx(own, abs=A_SECOND)
    assert sum("set it right" in each.message for each in caplog.records) == 1


@pytest.mark.parametrize("step", [-HOUR_S, HOUR_S])
def test_a_clock_that_steps_is_not_followed_and_followed_again_when_it_is_right(
    step: float, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    machines = Machines()
    machines.hear()
    machines.own = step
    assert machines.off == pytest.approx(0.0, abs=A_SECOND)
    machines.hear()
    assert machines.off == pytest.approx(0.0, abs=A_SECOND)
    machines.own = 3.0
    assert machines.off == pytest.approx(0.0, abs=A_SECOND)
    machines.hear()
    assert machines.off == pytest.approx(3.0)
    assert machines.told[-1] == 0.0
    assert "the clock of this machine is right again" in caplog.messages


@pytest.mark.parametrize("server", Server)
@pytest.mark.parametrize("ahead", [-HOUR_S, HOUR_S])
def test_a_server_that_is_alone_with_its_time_is_not_followed(server: Server, ahead: float) -> None:
    machines = Machines()
    machines.hear()
    machines.ahead[server] = ahead
    for _ in range(3):
        machines.hear()
        assert machines.off == pytest.approx(0.0)


def test_before_prometheus_has_answered_the_api_server_is_right() -> None:
    """What is counted begins at a time, and Prometheus may be away then."""
    machines = Machines(own=HOUR_S)
    machines.hear(Server.API)
    assert machines.off == pytest.approx(0.0, abs=A_SECOND)


def test_small_steps_are_followed_until_they_are_many() -> None:
    machines = Machines()
    machines.hear()
    for _ in range(20):
        machines.own += 3.0
        machines.hear()
        assert machines.off <= TOLERATED_S + A_SECOND
    assert machines.off == pytest.approx(0.0, abs=A_SECOND)


def test_a_machine_that_stood_still_has_the_time_again_with_the_first_answer() -> None:
    """As one that was paused from outside: its ticks stood still too."""
    machines = Machines()
    machines.hear()
    machines.own, machines.ahead = HOUR_S, dict.fromkeys(Server, HOUR_S)
    machines.hear(Server.API)
    assert machines.off == pytest.approx(HOUR_S)


@pytest.mark.parametrize("date", [None, "", "yesterday", "Tue, 31 Feb 2026 12:00:00 GMT"])
def test_an_answer_without_a_time_changes_nothing(date: str | None) -> None:
    machines = Machines(own=HOUR_S)
    machines.clock.heard(Server.API, date)
    assert machines.off == HOUR_S
