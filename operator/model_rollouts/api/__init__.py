"""The resource that people apply: its fields, rules and status, as pydantic models.

    deployment = read(obj)                        # deployment.py: what the API server gave
    share("99.9%"), span("1m30s")                 # ratio.py, duration.py: exact values
    put(conditions, ConditionType.READY, ...)     # conditions.py: as API conventions want it

The models are the single source: `crd.py` makes the CustomResourceDefinition from them and
`reference.py` the page with one heading per field. Pure: no clock, no input or output.
"""
