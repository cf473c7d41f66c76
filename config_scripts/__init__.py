"""One TOML file for each way of running, the schema that says what may stand in them, and what reads them."""
