"""`kubectl mdep`: what people ask and say of their ModelDeployments, with their own kubeconfig.

A module for each command, and four that they share: `kubeconfig` (which server, whose rights),
`api` (requests and refusals), `view` (objects to the one JSON that a command has) and `drawing`
(that JSON on a terminal). Nothing here imports pydantic, kopf or the client of the operator before
it is needed: to start those takes longer than an answer may.
"""
