"""What is built to be installed, and what is there once it is."""
