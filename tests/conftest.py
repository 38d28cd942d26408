"""What every test may rely on."""

import signal

# A shell that starts the tests in the background ignores Ctrl-C, and processes inherit that; tests that send it
# to processes of their own need the default.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
