"""What a user does with a trained model: load it, vocode with it, measure it."""
