"""Getting plugins into the process, so that none can break ftcore or another plugin.

- `installed` finds them by their metadata, without importing anything;
- `policy` says which may be loaded;
- `front` imports one, under the `patience` that it deserves, and checks its hooks;
- `hung` remembers those whose import stood still;
- `identity` says which code it was, for lock.json.

What none of this can do is to survive a plugin that ends the process itself (`os._exit`, a crash in compiled code).
"""
