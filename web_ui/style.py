"""What the theme in .streamlit/config.toml cannot say: marks of trained tokens, a narrow screen, tighter rows of small buttons."""

from __future__ import annotations

import streamlit as st

from web_ui.catalogue import say

CSS = """
<style>
.tokens { white-space: pre-wrap; line-height: 1.9; padding: .6rem .8rem; border-radius: .6rem; opacity: .95;
          border: 1px solid rgba(128, 128, 128, .3); max-height: 16rem; overflow-y: auto; }
.tokens mark { color: inherit; border-radius: .25rem; padding: .1rem 0; box-shadow: inset 0 0 0 1px rgba(15, 118, 110, .35);
               background: rgba(20, 160, 145, calc(.14 + .22 * var(--weight))); }
[class*="st-key-actions-"] button { min-height: 1.9rem; padding: 0 .25rem; opacity: .75; }
[class*="st-key-actions-"] button p { font-size: .82rem; }
[class*="st-key-actions-"] button:hover, [class*="st-key-actions-"] button:focus-visible { opacity: 1; }
[class*="st-key-open-"] button > div, [class*="st-key-open-"] button { justify-content: flex-start; }
[class*="st-key-open-"] button { min-height: 2.1rem; padding: 0 .6rem; }
[class*="st-key-open-"] button p { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
[class*="st-key-more-"] button > div > div:last-child { display: none; }
[data-testid="stPopoverBody"] hr { margin: .3rem 0; }
.st-key-welcome { padding-top: 14vh; }
.stMainBlockContainer { padding-top: 4.2rem; }
@media (max-width: 640px) {
  .stMainBlockContainer { padding-left: .8rem; padding-right: .8rem; }
  .st-key-welcome { padding-top: 6vh; }
  [class*="st-key-previous-"] button p, [class*="st-key-next-"] button p { display: none; }
}
</style>
"""
UPLOADER = """
<style>
[data-testid="stFileUploaderDropzoneInstructions"] {{ display: none; }}
[data-testid="stFileUploaderDropzone"] button p, [data-testid="stFileUploaderDropzone"] button span:not([data-testid]) {{ font-size: 0; }}
[data-testid="stFileUploaderDropzone"] button::after {{ content: "{words}"; }}
</style>
"""
"""Streamlit writes these words in English only; what it says of sizes is in the control's own help."""


def apply() -> None:
    """Put it on the page."""
    st.html(CSS + UPLOADER.format(words=say("data.upload_do")))
