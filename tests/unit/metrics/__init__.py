"""Figures, and the page that they make."""
