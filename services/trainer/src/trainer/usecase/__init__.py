"""Use cases: a folder with a declaration says what a table is, what is predicted, and how."""
