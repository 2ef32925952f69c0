"""Other hosts: batch systems, servers and remotes, brought up for real."""
