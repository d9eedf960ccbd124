"""What watchers are promised, checked on logs of what they were told."""
