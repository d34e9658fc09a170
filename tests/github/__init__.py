"""A stand-in for GitHub that checks every request against GitHub's published description."""
