"""The sections of the config, one class each, or one for each kind: types, meanings, bounds, and conditions between keys."""
