"""The commands by theme; each function is one command."""
