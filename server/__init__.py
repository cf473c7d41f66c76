"""The HTTP surface: the door, one table of routes, streaming, errors, and the listener that carries them."""
