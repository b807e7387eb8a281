"""The command line, on click. Each command stands in a module of its own that is imported when the command is typed."""
