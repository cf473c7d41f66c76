"""The data and the training of the embedded default model: see README.md in this folder."""
