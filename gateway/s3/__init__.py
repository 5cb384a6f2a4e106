"""The S3 front door: parses, proves, translates; the exchange does the rest."""
