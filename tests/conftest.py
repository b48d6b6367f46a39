"""Settings of the whole suite."""

import os

# The command line tells the C library to keep freed memory. Commands run inside the test process, and tests that
# measure memory share it.
os.environ["AUDIODIFF_MALLOC"] = "default"
