"""`python -m reviewapps.cli`, the same as `reviewapps`."""

from reviewapps.cli import main

main(prog_name="reviewapps")
