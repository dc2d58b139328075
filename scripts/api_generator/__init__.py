"""Generators of scripts/make-api: one module for each kind of output, over one description."""
