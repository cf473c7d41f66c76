"""The networks and how they train. Knows nothing of HTTP, sessions or files of lessons."""
