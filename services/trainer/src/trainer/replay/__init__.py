"""Past trips asked for again, in their order, as if they happened now: plain functions, without Prefect."""
