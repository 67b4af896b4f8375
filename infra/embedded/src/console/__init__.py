"""What a person at a terminal does with a stack, whichever kind is up: start it, train, predict, watch.

Standard library alone: ``make up`` has to work on a machine with Docker and Python and nothing installed.
"""
