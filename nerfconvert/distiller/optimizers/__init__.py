"""Optimizers: the rules by which parameters follow their gradients, and which role has which."""
