"""NEW."""

REQUEST_TIMEOUT = "HTTPRouteRequestTimeout"


BACKEND_TIMEOUT = "HTTPRouteBackendTimeout"


MIRROR = "HTTPRouteRequestMirror"


MIRROR_PERCENT = "HTTPRouteRequestPercentageMirror"


MARKS_BACKENDS = "HTTPRouteBackendResponseHeaderModification"
"""Names of features that a GatewayClass claims (GEP-2162)."""
