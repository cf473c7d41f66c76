"""Training data: messages, lessons, tokenizers and the readers of lesson files. Knows nothing of torch, the engine or HTTP."""
