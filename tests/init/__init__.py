"""Tests of reviewapps/init."""
