"""Names of the features that a GatewayClass claims to support (Gateway API, GEP-2162)."""

REQUEST_TIMEOUT = "HTTPRouteRequestTimeout"
BACKEND_TIMEOUT = "HTTPRouteBackendTimeout"
MIRROR = "HTTPRouteRequestMirror"
MIRROR_PERCENT = "HTTPRouteRequestPercentageMirror"
MARKS_BACKENDS = "HTTPRouteBackendResponseHeaderModification"
