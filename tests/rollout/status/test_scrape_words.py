"""How often pods are scraped is told where it is not as configured, and does not come and go."""

import pytest

from model_rollouts.rollout.status.scrape_words import differs


@pytest.mark.parametrize(
    ("measured_ms", "configured_ms", "told_anew", "told_still"),
    [
        (None, 5_000, False, False),
        (5_000, 5_000, False, False),
        (6_900, 5_000, False, False),
        (8_000, 5_000, False, True),
        (10_000, 5_000, True, True),
        (60_000, 5_000, True, True),
        (11_000, 15_000, False, False),
        (5_000, 15_000, True, True),
    ],
)
def test_it_is_told_from_where_it_matters_until_it_is_nearly_over(
    measured_ms: int | None, configured_ms: int, told_anew: bool, told_still: bool
) -> None:
    anew, still = (differs(measured_ms, configured_ms, before=each) for each in (False, True))

    assert (anew is not None, still is not None) == (told_anew, told_still)


def test_the_words_say_both_and_what_to_do_and_stay_the_same() -> None:
    assert differs(14_980, 5_000, before=False) == differs(15_600, 5_000, before=True)
    assert differs(15_000, 5_000, before=False) == (
        "Prometheus scrapes the pods every 15 s, and the operator is set to 5 s. Every verdict "
        "waits for a scrape, so a bad version is found later than with 5 s. Set the interval in "
        "Prometheus to 5 s, or `prometheus.scrapeInterval` of the chart to 15 s."
    )
