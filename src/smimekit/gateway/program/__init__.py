"""The gateway as a program that runs: its file, its workers, and the way to an orderly end."""
