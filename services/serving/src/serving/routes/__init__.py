"""The HTTP calls. Each adapts a request to the plain objects that do the work, and their answer to a response."""
