"""What the commands other than `run` do. The command line parses and prints; the work is here."""
