"""python -m ouroboros_client: the command."""

from ouroboros_client.command import main

if __name__ == "__main__":
    main()
