"""The page: `streamlit run WebUI.py`, a client of the HTTP API (OUROBOROS_URL, OUROBOROS_TOKEN_FILE)."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "for_client" / "client_code" / "src"))

from web_ui import frame  # noqa: E402

frame.show()
