"""What strategies share that compare the model with itself as it was before training: its log-probabilities then."""
