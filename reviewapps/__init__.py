"""Review apps on a team's own cloud: push a `deploy-*` branch and it gets a URL that runs it."""

__version__ = "0.1.0"
