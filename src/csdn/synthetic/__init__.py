"""The embedded benchmark: rendered pedestrians in the official layouts."""
