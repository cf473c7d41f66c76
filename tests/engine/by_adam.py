"""The settings by which a lesson moves all weights with Adam, held to what they said: for tests of what lessons can do beside the default."""

ADAM = {"train.rule": "adam", "train.lr": 1e-4, "train.until_loss": 0.1, "train.kl": 10.0, "trains.what": "all", "trains.parts": (), "idle.lr": 3e-5}
