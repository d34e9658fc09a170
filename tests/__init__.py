"""The tests; they mirror the tree, so that the test of `a/b.py` is `tests/a/test_b.py`."""
