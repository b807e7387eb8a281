"""Runs as processes of their own, one after the other, for commands that carry out several. It is no plugin itself."""
