"""How commands are started: the resident process that jobs are forked from, and the lock of a run."""
