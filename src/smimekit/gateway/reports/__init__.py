"""What others hear of a transaction: senders, administrators, the audit trail, Prometheus."""
