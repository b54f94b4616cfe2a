"""What comes in: batches of records that Envoy's gRPC access logger sends, one parse a batch."""
