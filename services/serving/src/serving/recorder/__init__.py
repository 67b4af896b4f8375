"""The log of predictions and outcomes: from the workers' spool files, by one process, into the warehouse.

A worker only appends blocks to a file (``journal``, ``blocks``); whether the warehouse is there makes no difference to
it. The recorder (``process``) reads what the files of all workers have (``spool``), sends it on as ``lines``
(``shipper``, ``warehouse``) and removes what has arrived. See docs/decisions/prediction-log.md.
"""
