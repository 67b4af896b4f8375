"""Asks a model service without a pause, in a process of its own: ``python steady_load.py <url> <questions.json>``.

The questions are rows and, by version, what it predicts for them. Prints ``asking`` once it has begun, and what it saw,
as a JSON object, at the end of its standard input.
"""

import json
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import requests

CLIENTS = 4


def main(url: str, questions: Path) -> None:
    asked = json.loads(questions.read_text())
    stop, seen, lock = threading.Event(), Counter[str](), threading.Lock()

    def count(what: str) -> None:
        with lock:
            seen[what] += 1

    clients = [threading.Thread(target=_rows, args=(url, asked, start, stop, count)) for start in range(CLIENTS - 1)]
    clients.append(threading.Thread(target=_batches, args=(url, asked, stop, count)))
    for client in clients:
        client.start()
    sys.stdout.write("asking\n")
    sys.stdout.flush()
    sys.stdin.read()
    stop.set()
    for client in clients:
        client.join()
    sys.stdout.write(json.dumps(seen))


def _rows(url: str, asked: Any, position: int, stop: threading.Event, count: Any) -> None:
    with requests.Session() as session:
        while not stop.is_set():
            position = (position + 1) % len(asked["rows"])
            answer = _ask(session, f"{url}/predict", asked["rows"][position], count)
            if answer is not None:
                version = answer["model"]["version"]
                right = answer["prediction"] == asked["expected"][version][position]
                count(f"version {version}" if right else "wrong")


def _batches(url: str, asked: Any, stop: threading.Event, count: Any) -> None:
    with requests.Session() as session:
        while not stop.is_set():
            answer = _ask(session, f"{url}/predict/batch", {"rows": asked["rows"]}, count)
            if answer is not None:
                version = answer["model"]["version"]
                right = answer["predictions"] == asked["expected"][version]
                count(f"batch of version {version}" if right else "wrong")


def _ask(session: requests.Session, url: str, body: Any, count: Any) -> Any:
    try:
        answer = session.post(url, json=body, timeout=10)
    except requests.RequestException as error:
        count(type(error).__name__)
        return None
    if answer.status_code != 200:
        count(f"status {answer.status_code}")
        return None
    return answer.json()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
