"""The router under real nginx: against real Consul, and against a Consul that lies."""
