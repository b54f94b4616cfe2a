"""What is promised, as functions over one history: the docstring of each is the promise."""

from collections.abc import Mapping

from tests.faults.oracles.hands import (
    a_hand_towards_stable_counts,
    a_hand_towards_the_candidate_is_repaired,
)
from tests.faults.oracles.infrastructure import (
    a_drained_node_is_no_verdict,
    users_leave_what_has_no_pods,
)
from tests.faults.oracles.judgement import weight_rises_on_evidence
from tests.faults.oracles.leading import one_writes_at_a_time, there_soon_is_a_leader
from tests.faults.oracles.process import (
    passes_end_in_order,
    passes_wait_for_nobody,
    spared_passes_had_nothing_to_do,
    the_process_lives,
)
from tests.faults.oracles.protection import (
    a_refused_route_is_tried_and_told,
    failed_versions_stay_without_users,
    terrible_versions_lose_their_users,
)
from tests.faults.oracles.stability import (
    few_writes_are_enough,
    it_comes_to_rest,
    it_never_storms,
)
from tests.faults.oracles.telling import available_means_answers, what_is_refused_is_told
from tests.faults.oracles.violation import Oracle

ORACLES: Mapping[str, Oracle] = {
    each.__name__: each
    for each in (
        terrible_versions_lose_their_users,
        a_refused_route_is_tried_and_told,
        failed_versions_stay_without_users,
        a_hand_towards_stable_counts,
        a_hand_towards_the_candidate_is_repaired,
        users_leave_what_has_no_pods,
        a_drained_node_is_no_verdict,
        weight_rises_on_evidence,
        what_is_refused_is_told,
        available_means_answers,
        it_comes_to_rest,
        it_never_storms,
        few_writes_are_enough,
        the_process_lives,
        passes_end_in_order,
        passes_wait_for_nobody,
        spared_passes_had_nothing_to_do,
        one_writes_at_a_time,
        there_soon_is_a_leader,
    )
}
"""Those that look at one history alone. `it_ends_as_asked` compares two, `verdicts` are of all."""
