"""The API's own description, made from its table (OpenAPI 3.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PREFIX = "/-/api/v1"


def document(table: Mapping[tuple[str, str], tuple[str, str]]) -> dict[str, Any]:
    """`table`: (method, path) -> what it does, and the media type of the body that it takes."""
    paths: dict[str, dict[str, Any]] = {}
    for (method, path), (summary, takes) in table.items():
        answers = {
            "200": {"description": "Done.", "content": {"application/json": {}}},
            "4XX": {
                "description": "Refused: a code and a sentence; with 422 the file's mistakes.",
                "content": {"application/json": {}},
            },
        }
        operation: dict[str, Any] = {"summary": summary, "responses": answers}
        if takes:
            operation["requestBody"] = {"required": True, "content": {takes: {}}}
        paths.setdefault(PREFIX + path, {})[method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {"title": "Crossdock", "version": "1"},
        "paths": paths,
        "components": {
            "securitySchemes": {
                "sigv4": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": "AWS Signature Version 4, service s3, as every S3 request.",
                }
            }
        },
        "security": [{"sigv4": []}],
    }
