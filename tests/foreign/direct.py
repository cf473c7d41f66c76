"""The same without a server: the network itself, in plain torch, over all tokens at once."""

import torch

from config_scripts.schema import load_config
from engine.live_model import EMBEDDED
from models.message import Message
from models.role import Role, Roles
from models.template import Template
from models.tokenizer import load_tokenizer
from rwkv_models.weights_file import load_network


class Direct:
    """The embedded model."""

    def __init__(self):
        config = load_config()
        self.network = load_network(EMBEDDED, torch.float32)
        self.tokenizer = load_tokenizer(EMBEDDED.parent / "tokenizer.json")
        self.template = Template(Roles(Role(r.name, r.prefix, r.suffix, r.answers) for r in config.roles), self.tokenizer, config.template.begin)

    def messages(self, *said):
        return [Message(role, text) for role, text in said]

    @torch.no_grad()
    def costs(self, tokens, first):
        """(Log probability of each token from index `first` on, whether each is the likeliest one)."""
        logits, _ = self.network(torch.tensor([tokens[:-1]]))
        logp = torch.log_softmax(logits[0].double(), dim=-1)[first - 1 :]
        wanted = torch.tensor(tokens[first:])
        return logp.gather(1, wanted[:, None])[:, 0].tolist(), bool((logp.argmax(-1) == wanted).all())

    @torch.no_grad()
    def write(self, tokens, most, stop):
        """Greedy tokens until the text holds `stop`, without it."""
        written = []
        while len(written) < most:
            logits, _ = self.network(torch.tensor([[*tokens, *written]]), head="last")
            written.append(int(logits[0].argmax()))
            text = self.tokenizer.decode(written)
            if stop in text or written[-1] == self.tokenizer.end_of_text:
                return text.partition(stop)[0]
        return text
