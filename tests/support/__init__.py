"""What several kinds of test share: server processes and clients for them."""
