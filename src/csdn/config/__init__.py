"""params.yaml: its sections as typed models, how it is loaded, and which settings cannot be combined."""
