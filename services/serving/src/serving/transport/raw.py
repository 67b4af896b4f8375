"""Responses as bytes, for what is answered without an application."""

from http import HTTPStatus

from serving.exchange import encode
from serving.problems import MEDIA_TYPE, Problem


def response(problem: Problem, request_id: str) -> bytes:
    """The last response of a connection."""
    body = encode(problem.document())
    head = (
        f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}\r\ncontent-type: {MEDIA_TYPE}\r\n"
        f"x-request-id: {request_id}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body
