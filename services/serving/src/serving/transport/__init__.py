"""How requests come in: uvicorn, with what a service under load needs besides."""
