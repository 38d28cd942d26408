"""The command line: parses, calls the library, prints. No logic, and no torch before a command needs it."""
