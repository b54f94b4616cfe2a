"""HTTPRoutes, built, read and compared: no other room knows what one looks like."""
