"""Gateways that tests have, by the name of their controller."""

ENVOY_GATEWAY = "gateway.envoyproxy.io/gatewayclass-controller"
