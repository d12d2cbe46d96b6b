"""The tools for models, called by a real client of the SDK over both transports."""
