"""HTTP's door: the JSON gateway and plain endpoints."""
