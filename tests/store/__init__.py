"""Tests of records, routes and locks, on the stand-in; tests/real runs them on Consul."""
