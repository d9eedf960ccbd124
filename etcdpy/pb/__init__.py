"""Generated protocol messages and service stubs (``make proto``), in a pool of their own."""
