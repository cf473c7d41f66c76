"""The page: chat, correct, teach, see it learn. A client of the HTTP API and nothing else."""
