"""From the counters that a proxy exports to exact counts per scrape interval.

Pure: no clock, no I/O, no logging, the standard library only. `objectives` says what is counted,
`intake` plans the queries of a tick and turns their raw samples into `records`; the adapter in
`model_rollouts.prometheus` does the asking. docs/samples.md is the specification.
"""
