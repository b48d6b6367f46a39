"""The one exception that audiodiff raises for input it cannot work with."""


class AudiodiffError(ValueError):
    """Bad input: the message is one sentence that says what was wrong, what was expected and what to do.

    The command line prints the message and exits with status 2.
    """
