"""What the methods that stand on PEFT share. It is no plugin and offers nothing: `method.py` has the class to inherit.

config.py    settings that several methods have
method.py    attach, state, save, merge and switching off
targets.py   from the words of a user to layers, and back to a short list for the saved configuration
whole.py     modules that train whole, kept in float32
"""
