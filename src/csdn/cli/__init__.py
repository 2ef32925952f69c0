"""The command line, a module a phase."""
