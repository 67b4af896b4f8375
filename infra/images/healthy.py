"""``healthy.py PORT PATH``: exits 0 if this container answers 200 there. The images have no curl."""

import http.client
import sys

connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=4)
connection.request("GET", sys.argv[2])
answer = connection.getresponse()
sys.exit(None if answer.status == 200 else f"{sys.argv[2]} answered {answer.status}: {answer.read(500)!r}")
