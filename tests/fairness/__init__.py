"""One client attacks, and a well-behaved one beside it says how it is served."""
