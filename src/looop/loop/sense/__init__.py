"""Sense: run the sensors and probes, read the policy, and hand over one look at the world."""
