"""The vocabulary of the default model: 4,096 byte-level pieces, digits one by one, "\\n\\n" and each chat prefix one token."""

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

SIZE = 4096
END = "<|endoftext|>"
"""Token 0: it begins every document, and so ends the one before."""

SPLIT = (
    r"(?:User|Assistant|System):"  # the prefixes of the chat form
    r"|'(?:s|t|re|ve|m|ll|d)\b"
    r"|\n\n|\n"
    r"| ?\p{L}+| ?\p{N}| ?[^\s\p{L}\p{N}]+"
    r"|[^\S\n]+(?!\S)|[^\S\n]+"
)
"""What no token crosses: a word keeps the space before it, a digit stands alone."""


def train(texts) -> Tokenizer:
    """A tokenizer learned from the texts. The chat prefixes become single tokens when they are frequent, as in any mix of chats."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(SPLIT), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=SIZE,
        special_tokens=[AddedToken(END, special=True, normalized=False)],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer
