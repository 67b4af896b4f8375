"""Takes orders on a Unix socket and does each in a thread of its own."""

import logging
import socket
import threading
from collections.abc import Callable
from typing import BinaryIO

from pydantic import ValidationError

from serving.batch import frames, jobs
from serving.batch.frames import LONGEST_LINE, LONGEST_PART, OUTCOMES, SCRAPE, TAKEN, Order, Outcome
from serving.batch.models import FindModel
from serving.batch.room import Room
from serving.calls import Answer, Call, Limits

log = logging.getLogger(__name__)


class Desk:
    """How many orders there are at once is the workers' business."""

    def __init__(self, listener: socket.socket, find: FindModel, limits: Limits, scrape: Callable[[], bytes]) -> None:
        """``scrape`` gives the metrics of all workers, in Prometheus' text format."""
        self._listener = listener
        self._find = find
        self._scrape = scrape
        self._limits = limits
        # JSON takes some twenty times its length once it is read: a long body is worked on alone
        self._room = Room(limits.body_bytes)

    def run(self) -> None:
        """Until ``close``."""
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def close(self) -> None:
        # shut down too: closing alone doesn't wake a thread that waits in accept
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection, connection.makefile("rb") as body:
                self._answer(connection, body)
        except (ConnectionError, ValidationError) as error:
            log.warning("an order came to nothing: %s", error)
        except Exception:
            # the worker sees the connection end before the answer does
            log.exception("an answer broke off")

    def _answer(self, connection: socket.socket, body: BinaryIO) -> None:
        order = Order.model_validate_json(body.readline(LONGEST_LINE))
        connection.sendall(TAKEN)
        with self._room.taken(order.length):
            answer = self._do(order, body)
        outcome = Outcome(
            status=answer.status,
            media_type=answer.media_type,
            headers=answer.headers,
            rows=answer.rows,
            refusal=answer.refusal,
        )
        connection.sendall(outcome.model_dump_json().encode() + b"\n")
        frames.send_parts(connection, [answer.body] if isinstance(answer.body, bytes) else answer.body)
        # a refusal may not have read all; a socket that is closed with something unread loses what was said last
        while body.read(LONGEST_PART):
            pass

    def _do(self, order: Order, body: BinaryIO) -> Answer:
        if order.job == SCRAPE:
            return Answer(self._scrape())
        call = Call(body, self._limits, order.headers, order.options)
        if order.job == OUTCOMES:
            return jobs.outcomes(call)
        try:
            served = self._find(order.key)
        except Exception as error:  # noqa: BLE001
            return jobs.refuse(order.job, error)
        return jobs.run(order.job, served, call)
