"""The CircleCI file: valid, whole, and its commands run as they stand in it."""
