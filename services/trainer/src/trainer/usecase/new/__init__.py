"""A declaration out of a table: what is in it is measured, decided on, written out, and told."""
