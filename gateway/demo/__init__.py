"""The product's story with a real S3 client, real processes and a real S3 server."""
