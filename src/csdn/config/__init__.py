"""params.yaml: its sections as typed models, how it is loaded, and what cannot go together."""
