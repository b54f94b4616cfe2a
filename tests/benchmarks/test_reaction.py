"""The page of the reaction benchmark says what the runs say."""

from benchmarks.reaction.page import conditions, page


def run(exposure: float, bad: int, lost: int = 0) -> dict[str, float]:
    """One run."""
    return {
        "exposure_s": exposure,
        "bad": bad,
        "lost": lost,
        "behind_the_scrape_s": 1.5,
        "behind_the_decision_s": 0.02,
    }


def test_the_page_has_medians_and_ranges_beside_the_goal() -> None:
    report = {
        "conditions": conditions(3, [1.0, 2.0]),
        "cases": [
            {"target": "99.9%", "history": True, "runs": [run(20, 4), run(30, 9), run(22, 5)]},
            {"target": "99%", "history": False, "runs": [run(40, 10, lost=2)]},
        ],
    }

    text = page(report)

    measured = "| objective 99.9%, a day of history, 3 runs | 22.0 s | 20.0-30.0 s | 5 | 4-9 |"
    assert f"{measured} 20 s, 6 | 25 s, 6 |" in text
    young = "| objective 99%, young | 1.50 s, at most 1.50 s | 0.020 s, at most 0.020 s | 2 |"
    assert young in text
