"""The JSON API, under `/-/api/v1/` of the S3 door: signed as S3 requests are."""
