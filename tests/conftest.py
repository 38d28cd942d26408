"""What every test may rely on."""

import signal

# Files that take longest, measured with --durations: first, so that no core is left with one of them at the end.
LONG = (
    "test_readme",
    "test_pipeline_job",
    "test_pipeline_commands",
    "test_examples",
    "test_pipeline_ensembles",
    "test_pipeline_trained",
    "test_contract_training",
    "test_surgery_export",
    "test_compression_quantize",
    "test_training_ranks",
    "test_pipeline_python",
)


def pytest_collection_modifyitems(items):
    """Longest files first, all else in the order of the tree; xdist keeps to it with --no-loadscope-reorder."""
    places = {name: place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: places.get(item.path.stem, len(LONG)))


# A shell that starts the tests in the background ignores Ctrl-C, and processes inherit that; tests that send it
# to processes of their own need the default.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
