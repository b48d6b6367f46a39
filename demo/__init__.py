"""The browser demo: a thin view of `audiodiff.synthesis`, started with `audiodiff demo` or `python -m demo`.

Installed from a wheel the package is called `audiodiff_demo`, so that no top-level `demo` gets into anybody's way; its
modules import each other relatively for that reason.
"""
