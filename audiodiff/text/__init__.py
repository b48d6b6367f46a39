"""Text: prompt syntax, frozen text encoders, and a cache of what they say."""
