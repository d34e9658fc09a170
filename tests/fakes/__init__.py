"""Small in-memory stand-ins; the same tests run on them and on the real thing."""
