"""The networks and how they train. Knows nothing of HTTP, sessions or files of lessons."""

import os

# OpenMP's threads spin at each barrier, by default for a millisecond, on a core that another program may need to let the last of
# them arrive: with both cores of two busy otherwise, a lesson of one second took minutes (docs/LOG.md). This many turns cost an
# idle machine nothing. Read when torch is first imported, so it stands here.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
