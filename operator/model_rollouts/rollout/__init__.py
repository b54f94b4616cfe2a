"""From what is seen of a rollout to what should be true now, and the one next move.

    memory = judging.take(memory, counted, weight)   # counts of a tick become evidence
    done = planning.plan(seen, memory, now)          # actions in the order of their commits
    done.memory                                      # handed to the next pass

Pure: no clock, no input or output, no logging. The engine gathers what is `seen`, carries out the
actions and asks again; whatever happens between two actions, the next pass finds its way from
what the cluster shows.
"""
