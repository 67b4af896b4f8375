"""Work that takes longer than an event loop may wait, in a process of its own."""
