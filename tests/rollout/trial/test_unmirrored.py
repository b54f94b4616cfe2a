"""What is told of the sizes of requests that were not mirrored."""

import math

import pytest

from model_rollouts.metrics.body_sizes import Sizes
from model_rollouts.rollout.trial.unmirrored import by_size

USERS: Sizes = ((32_000, 600.0), (1_000_000, 900.0), (math.inf, 1_000.0))


@pytest.mark.parametrize(
    ("missing", "users", "mirrored", "told"),
    [
        pytest.param(
            0.1,
            USERS,
            ((32_000, 600.0), (1_000_000, 900.0), (math.inf, 900.0)),
            ": 100 % of those of 1 MB or more, and next to none of the others",
            id="large ones",
        ),
        pytest.param(
            0.097,
            USERS,
            ((32_000, 6_000.0), (1_000_000, 9_000.0), (math.inf, 9_030.0)),
            ": 97 % of those of 1 MB or more, and next to none of the others",
            id="nearly all large ones, counted for ten times as long",
        ),
        pytest.param(
            0.4,
            USERS,
            ((32_000, 600.0), (1_000_000, 600.0), (math.inf, 600.0)),
            ": 100 % of those of 32 kB or more, and next to none of the others",
            id="a lower limit",
        ),
        pytest.param(
            0.2,
            USERS,
            ((32_000, 540.0), (1_000_000, 800.0), (math.inf, 800.0)),
            ": 100 % of those of 1 MB or more, and 11 % of the others",
            id="large ones and others",
        ),
        pytest.param(0.3, USERS, USERS, ", large and small ones alike", id="as many of each size"),
        pytest.param(
            0.3,
            ((32_000, 1_000.0), (1_000_000, 1_000.0), (math.inf, 1_000.0)),
            ((32_000, 700.0), (1_000_000, 700.0), (math.inf, 700.0)),
            "",
            id="all of one size",
        ),
        pytest.param(
            0.1,
            ((1_000_000, 981.0), (math.inf, 1_000.0)),
            ((1_000_000, 900.0), (math.inf, 900.0)),
            "",
            id="too few large ones",
        ),
        pytest.param(0.3, USERS, (), "", id="a candidate whose proxy counts no sizes"),
        pytest.param(0.3, (), USERS, "", id="a stable whose proxy counts no sizes"),
        pytest.param(
            1.0, USERS, ((32_000, 0.0), (1_000_000, 0.0), (math.inf, 0.0)), "", id="none came"
        ),
    ],
)
def test_the_size_that_tells_most_is_told(
    missing: float, users: Sizes, mirrored: Sizes, told: str
) -> None:
    assert by_size(missing, users, mirrored) == told
