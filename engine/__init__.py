"""The one thread that owns the model: generation, learning, versions, journal, checkpoints."""
