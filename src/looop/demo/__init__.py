"""The demonstration: the real loop on real input, in a throw-away profile, without a model."""
