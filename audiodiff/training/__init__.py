"""Training: the loop, averaged weights, exact resume; models and data come in as arguments."""
