"""The prediction log: chunks of rows, the Delta Lake table, and the thread that writes it."""
