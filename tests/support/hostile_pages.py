"""A web server of somebody else's, whose pages ask other servers on the machine of whoever looks at them."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PAGE = b"""<!doctype html><title>hostile</title><body><script>
// What a page can send, in each way that a browser has; what it could read of the answer is told.
async function tries(url, body) {
  const read = {};
  const attempt = async (name, options) => {
    try {
      const answer = await fetch(url, options);
      const text = await answer.text();
      read[name] = answer.type === "opaque" ? "" : answer.status + " " + text.slice(0, 200);
    } catch (error) { read[name] = ""; }
  };
  await attempt("get", {});
  await attempt("get with cookies", {credentials: "include"});
  await attempt("get unread", {mode: "no-cors"});
  for (const type of ["application/json", "text/plain", "application/x-www-form-urlencoded", "application/csp-report"])
    for (const mode of ["cors", "no-cors"])
      await attempt(`${type} ${mode}`, {method: "POST", mode, body, headers: {"Content-Type": type}});
  await attempt("blob without type", {method: "POST", mode: "no-cors", body: new Blob([body])});
  await attempt("beacon", {method: "POST", mode: "no-cors", body, keepalive: true});
  navigator.sendBeacon(url, new Blob([body]));
  return read;
}

// A form has no preflight, and its text can be JSON: {"a": 1, "x": "=" }
function form(url, body) {
  const frame = document.createElement("iframe");
  frame.name = "frame" + Math.random();
  const found = document.createElement("form");
  Object.assign(found, {action: url, method: "POST", enctype: "text/plain", target: frame.name});
  const field = document.createElement("input");
  field.name = body.slice(0, -1) + ', "ignored": "';
  field.value = '"}';
  found.append(field);
  document.body.append(frame, found);
  return new Promise((done) => { frame.onload = () => done(true); found.submit(); });
}

function socket(url) {
  return new Promise((done) => {
    const opened = new WebSocket(url);
    opened.onopen = () => done("open");
    opened.onerror = () => done("refused");
  });
}

function image(url) {
  return new Promise((done) => {
    const found = new Image();
    found.onload = () => done("shown");
    found.onerror = () => done("refused");
    found.src = url;
  });
}
</script>"""


@contextmanager
def serving_hostile_pages() -> Iterator[int]:
    """Its port on 127.0.0.1."""

    class Pages(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(PAGE)))
            self.end_headers()
            self.wfile.write(PAGE)

        def log_message(self, *args: object) -> None:
            """The test's output is the test's."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
